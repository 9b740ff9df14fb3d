"""What became of the tensors of a weight file, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["Loaded", "weights_table"]


class Loaded(Protocol):
    """What the table shows."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def layout(self) -> str:
        """Whose layout it has."""

    @property
    def loaded(self) -> Sequence[str]:
        """Key names that were filled."""

    @property
    def renamed(self) -> Sequence[tuple[str, str]]:
        """Name in the file and key name, where they differ."""

    @property
    def left_out(self) -> Sequence[str]:
        """Names in the file of what was not wanted."""


def weights_table(report: Loaded) -> RenderableType:
    """A row each for what was loaded, renamed and left out: how many, and what."""
    title = f"{report.path.name}, a file of {report.layout}"
    table = Table(title=Text(title), padding=(0, 1, 0, 0), box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("Tensors", justify="right")
    table.add_column("Which", overflow="fold")
    table.add_row("loaded", f"{len(report.loaded):,}", Text(_kinds(report.loaded)))
    example = " → ".join(report.renamed[0]) if report.renamed else ""
    table.add_row("renamed", f"{len(report.renamed):,}", Text(example))
    table.add_row("left out", f"{len(report.left_out):,}", Text(_kinds(report.left_out)))
    return table


def _kinds(names: Iterable[str]) -> str:
    """The first parts of dotted names, each once, with a second one where it says more."""
    wide = {"backbone", "base", "module", "network", "features", "blocks"}
    kinds: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        depth = 1
        while depth < len(parts) - 1 and parts[depth - 1] in wide:
            depth += 1
        kinds[".".join(parts[:depth])] = None
    return ", ".join(kinds)

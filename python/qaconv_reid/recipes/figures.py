"""What ``qaconv data measure`` leaves: a table of means, and every figure in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid import documents
from qaconv_reid.build import find_hardware
from qaconv_reid.config import RunConfig
from qaconv_reid.data import Views
from qaconv_reid.evaluation import DomainRanking, Interval, domain_means
from qaconv_reid.files import replaced

__all__ = ["Figure", "figures_table", "origin", "write_figures"]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One method on the queries of one domain and the gallery of one."""

    variant: str
    """Of the images."""
    method: str
    found: DomainRanking

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, 0 to 1."""
        return {"variant": self.variant, "method": self.method, **self.found.as_dict()}


def figures_table(figures: Sequence[Figure]) -> Table:
    """A row for each variant and method, in per cent: means over domains, and over their pairs."""
    # Narrow enough for a terminal of 80 columns; where it is not, names fold and numbers do not.
    table = Table(
        title="Rank-1 and mAP (%), means over domains and over pairs of domains",
        caption="±: half of the 95 % interval, by the bootstrap over identities",
        padding=0,
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("Method", overflow="fold")
    for place in ("within", "across"):
        for measure in ("Rank-1", "mAP"):
            table.add_column(f"{place}:\n{measure}", justify="right", no_wrap=True)
    variants = list(dict.fromkeys(figure.variant for figure in figures))
    for variant in variants:
        if len(variants) > 1:
            table.add_row(Text(variant, style="italic"))
        for method in dict.fromkeys(figure.method for figure in figures):
            own = [f.found for f in figures if (f.variant, f.method) == (variant, method)]
            within, across = ([f for f in own if f.within == same] for same in (True, False))
            # Names come from folders: as Text, square brackets in them are not markup.
            table.add_row(Text(method), *_cells(within), *_cells(across))
        table.add_section()
    return table


def _cells(found: Sequence[DomainRanking]) -> tuple[str, str]:
    if not found:
        return "–", "–"
    mean = domain_means(found)
    return _cell(mean.rank1, mean.rank1_interval), _cell(mean.mAP, mean.mAP_interval)


def _cell(value: float, interval: Interval) -> str:
    return f"{100 * value:.1f} ± {50 * (interval.high - interval.low):.1f}"


def origin(
    folder: str, config: RunConfig, views: Views, said: Sequence[str], runs: Sequence[str]
) -> dict[str, Any]:
    """Where the figures come from: the data, the command, the machine."""
    manifest = Path(folder) / "manifest.json"
    made = documents.read(manifest, "what made the data set") if manifest.is_file() else None
    # Names for paths: where things lay is nobody's concern.
    words = ["qaconv data measure", Path(folder).name]
    words += [Path(word).name if os.path.exists(word) else word for word in said]
    words += [*views.words, *(f"--run {Path(run).name}" for run in runs)]
    return {
        **provenance(" ".join(words), find_hardware(config.runtime).device.type),
        "data": made or Path(folder).name,
        "every_crop": views.every_crop,
        "model": config.model.model_dump(mode="json"),
    }


def _run_settings(config: RunConfig) -> dict[str, Any]:
    """What a run was trained on, and how."""
    return {
        "name": config.name,
        "train": [Path(place).name for place in config.data.train],
        **config.model_dump(mode="json", include={"sampler", "loss", "schedule", "optimizer"}),
        "seed": config.runtime.seed,
    }


def write_figures(
    path: Path, about: dict[str, Any], runs: Sequence[RunConfig], figures: Sequence[Figure]
) -> None:
    """Write every figure with its interval.

    Args:
        path: the file; replaced whole.
        about: where they come from, of `origin`.
        runs: settings of the trained methods.
        figures: in the order they are to stand in.
    """
    content = {
        **about,
        "runs": [_run_settings(config) for config in runs],
        "figures": [figure.as_dict() for figure in figures],
    }
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

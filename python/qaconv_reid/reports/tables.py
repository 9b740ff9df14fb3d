"""Tables of results for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["Counts", "Result", "results_table"]


class Counts(Protocol):
    """How many queries there were."""

    @property
    def queries(self) -> int:
        """Queries in all."""

    @property
    def counted(self) -> int:
        """Queries with a match."""


class Result(Protocol):
    """What the table shows of an evaluation; measures are shares from 0 to 1."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""

    @property
    def rank1(self) -> float:
        """Rank-1."""

    @property
    def rank5(self) -> float:
        """Rank-5."""

    @property
    def rank10(self) -> float:
        """Rank-10."""

    @property
    def mAP(self) -> float:
        """Mean average precision."""

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty."""

    @property
    def ranking(self) -> Counts:
        """Counts of queries."""

    @property
    def gallery(self) -> int:
        """Images in the gallery."""

    @property
    def feature_seconds(self) -> float:
        """Time for the features."""

    @property
    def matching_seconds(self) -> float:
        """Time for the matching."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the numbers."""


def results_table(results: Sequence[Result], *, title: str | None = None) -> RenderableType:
    """A row per evaluation, measures in per cent, and below it the notes of each data set.

    Args:
        results: evaluations, in the order to show them.
        title: heading of the table.
    """
    # Narrow enough for a terminal of 80 columns; where it is not, names fold and numbers do not.
    table = Table(title=title, padding=(0, 1, 0, 0), box=box.SIMPLE_HEAD)
    table.add_column("Data set", overflow="fold")
    for heading in ("Rank-1", "Rank-5", "Rank-10", "mAP", "mINP", "Queries", "Gallery", "Seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        measures = (result.rank1, result.rank5, result.rank10, result.mAP, result.mINP)
        table.add_row(
            # Names come from folders: as Text, square brackets in them are not markup.
            Text(result.dataset),
            *(f"{100 * measure:.1f}" for measure in measures),
            _counted(result.ranking),
            f"{result.gallery:,}",
            f"{result.feature_seconds + result.matching_seconds:.1f}",
        )
    notes = [Text(f"{result.dataset}: {note}") for result in results for note in result.notes]
    return Group(table, *notes)


def _counted(counts: Counts) -> str:
    if counts.counted == counts.queries:
        return f"{counts.queries:,}"
    return f"{counts.counted:,} of {counts.queries:,}"

"""Tables of results for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qaconv_reid.text import printable

__all__ = ["Measured", "Ranked", "Result", "results_table"]

_HEADINGS = (
    "Rank-1",
    "±",
    "Rank-5",
    "Rank-10",
    "mAP",
    "±",
    "mINP",
    "Queries",
    "Gallery",
    "Seconds",
)


class Ranked(Protocol):
    """What the table shows of a ranking."""

    @property
    def mAP(self) -> float:
        """Mean average precision, 0 to 1."""

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty, 0 to 1."""

    @property
    def queries(self) -> int:
        """Queries in all."""

    @property
    def counted(self) -> int:
        """Queries with a match."""

    def rank(self, k: int) -> float:
        """Share of counted queries with a match among the first ``k``."""


class Measured(Protocol):
    """A ranking by one way of scoring."""

    @property
    def name(self) -> str:
        """The way."""

    @property
    def ranking(self) -> Ranked:
        """What it is worth."""

    @property
    def rank1_interval(self) -> tuple[float, float]:
        """Where Rank-1 lies."""

    @property
    def mAP_interval(self) -> tuple[float, float]:
        """Where mAP lies."""


class Result(Protocol):
    """What the table shows of an evaluation."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""

    @property
    def measured(self) -> Sequence[Measured]:
        """The plain ranking, then others."""

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
    def area(self) -> str:
        """How average precision was summed up."""

    @property
    def protocol(self) -> str:
        """By which it was measured."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the numbers."""


def results_table(results: Sequence[Result], *, title: str | None = None) -> RenderableType:
    """A row per evaluation and way of scoring, in per cent; below it the notes of each data set.

    Args:
        results: evaluations, in the order to show them.
        title: heading of the table.
    """
    # Narrow enough for a terminal of 80 columns; where it is not, names fold and numbers do not.
    table = Table(title=title, padding=0, box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("Data set", overflow="fold")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        first, *others = result.measured
        table.add_row(
            # Names come from folders: as Text, square brackets in them are not markup.
            Text(printable(result.dataset)),
            *_measures(first),
            _counted(first.ranking),
            f"{result.gallery:,}",
            f"{result.feature_seconds + result.matching_seconds:.1f}",
        )
        for other in others:
            table.add_row(Text(other.name, style="italic"), *_measures(other))
    told = "±: half of the 95 % interval, by the bootstrap over identities"
    if all(result.area == "plain" for result in results):  # else a note says so
        told += "; average precision: plain"
    lines = [Text(told, style="dim")]
    for result in results:
        if result.protocol != "market":
            lines.append(Text(printable(f"{result.dataset}: protocol {result.protocol}")))
        lines += [Text(printable(f"{result.dataset}: {note}")) for note in result.notes]
    return Group(table, *lines)


def _measures(measured: Measured) -> tuple[str, ...]:
    ranking = measured.ranking
    return (
        f"{100 * ranking.rank(1):.1f}",
        _half(measured.rank1_interval),
        f"{100 * ranking.rank(5):.1f}",
        f"{100 * ranking.rank(10):.1f}",
        f"{100 * ranking.mAP:.1f}",
        _half(measured.mAP_interval),
        f"{100 * ranking.mINP:.1f}",
    )


def _half(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{50 * (high - low):.1f}"


def _counted(counts: Ranked) -> str:
    if counts.counted == counts.queries:
        return f"{counts.queries:,}"
    return f"{counts.counted:,} of {counts.queries:,}"

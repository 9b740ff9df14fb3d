"""Tables of results for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment, Segments
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


#: A name, and the cells beside it.
_Row = tuple[Text, tuple[str, ...]]


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
    rows: list[_Row] = []
    for result in results:
        first, *others = result.measured
        seconds = f"{result.feature_seconds + result.matching_seconds:.1f}"
        cells = (*_measures(first), _counted(first.ranking), f"{result.gallery:,}", seconds)
        # Names come from folders: as Text, square brackets in them are not markup.
        rows.append((Text(printable(result.dataset)), cells))
        rows += [(Text(other.name, style="italic"), _measures(other)) for other in others]
    told = "±: half of the 95 % interval, by the bootstrap over identities"
    if all(result.area == "plain" for result in results):  # else a note says so
        told += "; average precision: plain"
    lines = [Text(told, style="dim")]
    for result in results:
        if result.protocol != "market":
            lines.append(Text(printable(f"{result.dataset}: protocol {result.protocol}")))
        lines += [Text(printable(f"{result.dataset}: {note}")) for note in result.notes]
    return Group(_Rows(rows, title), *lines)


class _Rows:
    """A table whose names are never broken.

    Where it is wider than the terminal, each name stands on a line of its own above its numbers.
    """

    def __init__(self, rows: Sequence[_Row], title: str | None) -> None:
        self._rows = rows
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        beside = self._table(beside=True)
        if console.measure(beside, options=options.update(width=10_000)).maximum <= (
            options.max_width
        ):
            yield beside
            return
        lines = console.render_lines(self._table(beside=False), options, pad=False)
        head = len(lines) - len(self._rows)
        for number, line in enumerate(lines):
            if number >= head:
                yield self._rows[number - head][0]
            yield Segments([*line, Segment.line()])

    def _table(self, *, beside: bool) -> Table:
        table = Table(title=self._title, padding=0, box=box.SIMPLE_HEAD, show_edge=False)
        if beside:
            table.add_column("Data set", no_wrap=True)
        for heading in _HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for name, cells in self._rows:
            table.add_row(*([name] if beside else []), *cells)
        return table


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

"""What a gallery holds, and how much of the truth its shortlist keeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from qaconv_reid.gallery.search import default_shortlist, find
from qaconv_reid.gallery.table import GalleryError, Maker, Table

__all__ = ["Info", "Recall", "describe", "measure_recall"]

#: The exact search that a recall is held against, in pairs: seconds, not minutes.
_PAIRS = 40_000
_MOST_QUERIES = 50


@dataclass(frozen=True, slots=True)
class Recall:
    """What a shortlist keeps of the exact answer, on a sample."""

    share: float
    """Of the exact best ``k``, mean over the queries, 0 to 1."""
    k: int
    queries: int
    """Rows of the gallery, evenly chosen; each finds the others."""
    shortlist: int
    """Rows that were scored exactly."""
    rows: int


@dataclass(frozen=True, slots=True)
class Info:
    """What a gallery holds."""

    place: str
    rows: int
    identities: int
    cameras: dict[int | None, int]
    """Rows of each camera; None where it is not known."""
    times: tuple[float, float] | None
    """The first and the last, in seconds; None where none is known."""
    maker: Maker
    version: int
    recall: Recall | None
    """Of the shortlist that a search takes; None where it takes none, and scores every row."""

    @property
    def bytes_of_maps(self) -> int:
        """What the maps take, in float16."""
        return 2 * self.rows * int(np.prod(self.maker.shape))


def describe(table: Table, *, queries: int | None = None) -> Info:
    """What a table holds; its recall on a sample, where searches take a shortlist.

    Args:
        table: at least the newest version of it that is known here.
        queries: of the sample; None for as many as take seconds; 0 for no recall.
    """
    table.refresh()
    rows = table.rows(table.numbers())
    recall = None
    if default_shortlist(len(rows)) < len(rows) and queries != 0:
        recall = measure_recall(table, queries=queries)
    cameras = Counter(row.camera for row in rows)
    known = sorted(camera for camera in cameras if camera is not None)
    times = [row.time for row in rows if row.time is not None]
    return Info(
        place=table.place,
        rows=len(rows),
        identities=len({row.identity for row in rows} - {None}),
        cameras={c: cameras[c] for c in (*known, None) if cameras[c]},
        times=(min(times), max(times)) if times else None,
        maker=table.maker,
        version=table.version,
        recall=recall,
    )


def measure_recall(
    table: Table, *, k: int = 10, queries: int | None = None, length: int | None = None
) -> Recall:
    """How many of the exact best ``k`` a shortlist keeps; every query is a row, itself left out.

    Args:
        table: of at least ``k + 1`` rows.
        k: of the best.
        queries: evenly chosen rows; None for as many as take seconds.
        length: of the shortlist; None for what a search takes.

    Raises:
        GalleryError: there are too few rows, or a number is below 1.
    """
    numbers = table.numbers()
    if len(numbers) <= k or k < 1:
        raise GalleryError(f"k: got {k} with {len(numbers)} rows, wanted fewer than the rows")
    if queries is None:
        queries = max(1, min(_MOST_QUERIES, _PAIRS // len(numbers)))
    if not 1 <= queries <= len(numbers):
        raise GalleryError(f"queries: got {queries}, wanted 1 to {len(numbers)}, as there are rows")
    length = default_shortlist(len(numbers)) if length is None else length
    chosen = numbers[np.linspace(0, len(numbers) - 1, queries).astype(np.int64)]
    maps = table.maps(chosen)
    exact = find(table, maps, k + 1, length=len(numbers))
    # One more, for the row itself.
    short = find(table, maps, k + 1, length=length + 1)
    kept = [
        len(_others(s.numbers, own, k) & _others(e.numbers, own, k)) / k
        for s, e, own in zip(short, exact, chosen.tolist(), strict=True)
    ]
    return Recall(float(np.mean(kept)), k, queries, length, len(numbers))


def _others(numbers: np.ndarray[tuple[int], np.dtype[np.int64]], own: int, k: int) -> set[int]:
    return set([number for number in numbers.tolist() if number != own][:k])

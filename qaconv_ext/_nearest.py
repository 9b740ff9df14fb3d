"""The k nearest of many, met block by block: neither all distances nor all orders are ever held.

Written once for torch and for numpy; imports neither. What differs between them is `Arrays`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

Array = Any
A = TypeVar("A")
# Rows [begin, end) and columns [begin, end) of the matrix of distances.
Distances = Callable[[int, int, int, int], Array]


class NearestMatches(NamedTuple, Generic[A]):
    """The best matches of each probe, best first; tensors or arrays, as the maps."""

    scores: A
    """``[P, k]`` float32 (float64 for float64 inputs), descending, NaN last."""
    gallery_index: A
    """``[P, k]`` int64: their numbers in the gallery."""


@dataclass(frozen=True)
class Arrays:
    """The operations on ``[rows, n]`` arrays that are needed."""

    order: Callable[[Array], Array]
    """Ascending order of each row, stable, NaN last."""
    take: Callable[[Array, Array], Array]
    """The elements of each row at the given positions."""
    join: Callable[[Array, Array], Array]
    """Two arrays side by side."""
    stack: Callable[[list[Array]], Array]
    """Some arrays, one below the other."""
    numbers: Callable[[int, int, int], Array]
    """``[rows, end - begin]`` whole numbers begin..end-1: the columns' numbers."""
    is_own: Callable[[Array, int], Array]
    """Where a column's number is the row's own; the first row has the given number."""


@dataclass
class _Nearest:
    """The nearest so far of a block of rows; columns must come in ascending order.

    So that, the sort being stable, of equal distances the lower column stays in front.
    """

    arrays: Arrays
    k: int
    distances: Array = None
    columns: Array = None

    def offer(self, distances: Array, first_column: int) -> None:
        rows, count = distances.shape
        columns = self.arrays.numbers(rows, first_column, first_column + count)
        if self.distances is not None:
            distances = self.arrays.join(self.distances, distances)
            columns = self.arrays.join(self.columns, columns)
        order = self.arrays.order(distances)[:, : self.k]
        self.distances = self.arrays.take(distances, order)
        self.columns = self.arrays.take(columns, order)

    def without_itself(self, first_row: int) -> tuple[Array, Array]:
        """The k - 1 nearest others: the row's own column taken out, or the last where it is not."""
        own = self.arrays.is_own(self.columns, first_row)
        # A row that did not meet itself among its k nearest gives up the last instead.
        own[:, -1] |= ~own.any(1)
        others = self.arrays.order(own)[
            :, : self.k - 1
        ]  # its own is the last: True comes after False
        return self.arrays.take(self.distances, others), self.arrays.take(self.columns, others)


def _blocks(count: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, count, size):
        yield begin, min(begin + size, count)


def nearest_matches(
    arrays: Arrays,
    match: Callable[[Array, Array], Array],
    among: Callable[[Array], Array],
    probe: Array,
    gallery: Array | None,
    k: int,
    block: int,
) -> NearestMatches[Any]:
    """The k best matches of every probe; ``k`` and ``block`` are in their ranges.

    Args:
        arrays: the operations.
        match: the scores of two sets of maps.
        among: the distances of a set with itself, at half the work.
        probe: the rows.
        gallery: the columns; None for the rows again, each without itself.
        k: how many.
        block: maps of either side at a time.
    """
    others = probe if gallery is None else gallery

    def distances(begin: int, end: int, first: int, last: int) -> Array:
        if gallery is None and (begin, end) == (first, last):
            return among(probe[begin:end])
        return -match(probe[begin:end], others[first:last])

    # An empty match checks the other arguments, whatever the sizes.
    empty = distances(0, 0, 0, 0)
    rows = len(probe)
    if rows * k == 0:
        numbers = arrays.numbers(0, 0, 0)
        return NearestMatches(empty.reshape(rows, k), numbers.reshape(rows, k))
    columns = None if gallery is None else len(gallery)
    parts = _nearest_in_blocks(arrays, distances, rows, columns, k, block)
    found, index = zip(*parts, strict=True)
    return NearestMatches(-arrays.stack(list(found)), arrays.stack(list(index)))


def _nearest_in_blocks(
    arrays: Arrays, distances: Distances, rows: int, columns: int | None, k: int, block: int
) -> Iterator[tuple[Array, Array]]:
    """For each block of rows, its k nearest columns: distances and numbers, ``[rows, k]``.

    ``columns`` None: the rows among themselves, by a symmetric matrix, each left out of its own.
    """
    if columns is None:
        yield from _nearest_others(arrays, distances, rows, k, block)
        return
    for begin, end in _blocks(rows, block):
        nearest = _Nearest(arrays, k)
        for first, last in _blocks(columns, block):
            nearest.offer(distances(begin, end, first, last), first)
        yield nearest.distances, nearest.columns


def _nearest_others(
    arrays: Arrays, distances: Distances, count: int, k: int, block: int
) -> Iterator[tuple[Array, Array]]:
    """Each block of the matrix is computed once and met from both sides."""
    held = [_Nearest(arrays, k + 1) for _ in _blocks(count, block)]
    for row, (begin, end) in enumerate(_blocks(count, block)):
        for column, (first, last) in enumerate(_blocks(count, block)):
            if column < row:
                continue  # met already, transposed
            part = distances(begin, end, first, last)
            held[row].offer(part, first)
            if column > row:
                held[column].offer(part.T, begin)
        yield held[row].without_itself(begin)
        held[row] = None  # type: ignore[call-overload]  # complete: not needed any more

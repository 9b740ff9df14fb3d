"""The k nearest of many, met block by block: neither all distances nor all orders are ever held.

Written once for torch and for numpy; imports neither. What differs between them is `Arrays`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Array = Any
# Rows [begin, end) and columns [begin, end) of the matrix of distances.
Distances = Callable[[int, int, int, int], Array]


@dataclass(frozen=True)
class Arrays:
    """The operations on ``[rows, n]`` arrays that are needed."""

    order: Callable[[Array], Array]
    """Ascending order of each row, stable, NaN last."""
    take: Callable[[Array, Array], Array]
    """The elements of each row at the given positions."""
    join: Callable[[Array, Array], Array]
    """Two arrays side by side."""
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


def distances_of(
    match: Callable[[Array, Array], Array],
    among: Callable[[Array], Array],
    probe: Array,
    gallery: Array | None,
) -> Distances:
    """Minus the scores of blocks of two sets of maps.

    Args:
        match: the scores of two sets.
        among: the distances of a set with itself, at half the work.
        probe: the rows.
        gallery: the columns; None for the rows again.
    """

    def distances(begin: int, end: int, first: int, last: int) -> Array:
        if gallery is None and (begin, end) == (first, last):
            return among(probe[begin:end])
        others = probe if gallery is None else gallery
        return -match(probe[begin:end], others[first:last])

    return distances


def nearest_in_blocks(
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

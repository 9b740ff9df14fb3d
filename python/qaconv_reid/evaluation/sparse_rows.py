"""Matrices of which a row has few entries, as torch tensors on any device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SparseRows", "runs"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Entries row by row; the columns of a row ascend."""

    ends: Tensor
    """``[rows + 1]`` int64: row i has the entries from ``ends[i]`` to ``ends[i + 1]``."""
    columns: Tensor
    """``[entries]`` int32."""
    values: Tensor
    """``[entries]`` floating."""
    width: int
    """Columns of the matrix."""

    @staticmethod
    def join(
        counts: list[Tensor], columns: list[Tensor], values: list[Tensor], width: int
    ) -> SparseRows:
        """From blocks of consecutive rows: entries of each row ``[r]``, columns, values."""
        number = torch.cat(counts)
        return SparseRows(
            torch.cat((number.new_zeros(1), number.cumsum(0))),
            torch.cat(columns).int(),
            torch.cat(values),
            width,
        )

    def __len__(self) -> int:
        return len(self.ends) - 1

    def entries(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Every entry of some rows, one row after the other.

        Args:
            rows: ``[n]`` int64; a row may come several times.

        Returns:
            For each entry the place of its row in ``rows``, and its own place in ``columns`` and
            ``values``; both int64.
        """
        return runs(self.ends[rows], self.ends[rows + 1])

    def transposed(self) -> SparseRows:
        """Rows and columns exchanged."""
        order = self.columns.argsort(stable=True)
        rows = torch.repeat_interleave(self.ends.diff())  # of each entry
        counts = torch.bincount(self.columns, minlength=self.width)
        return SparseRows.join([counts], [rows[order]], [self.values[order]], len(self))

    def since(self, first: int) -> SparseRows:
        """The rows from ``first`` on."""
        start = int(self.ends[first])
        return SparseRows(
            self.ends[first:] - start, self.columns[start:], self.values[start:], self.width
        )

    def parts(self, rows: Tensor, most: int) -> Iterator[slice]:
        """Consecutive parts of ``rows`` that together have at most ``most`` entries, or one row."""
        total = (self.ends[rows + 1] - self.ends[rows]).cumsum(0).cpu()
        start = 0
        while start < len(rows):
            before = int(total[start - 1]) if start else 0
            stop = int(torch.searchsorted(total, before + most, right=True))
            stop = max(stop, start + 1)
            yield slice(start, stop)
            start = stop


def runs(starts: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """The whole numbers from each start up to its stop, one run after the other.

    Args:
        starts: ``[n]`` int64.
        stops: ``[n]`` int64, not below ``starts``.

    Returns:
        For each number its run, from 0, and itself; both int64.
    """
    lengths = stops - starts
    run = torch.repeat_interleave(lengths)
    first = lengths.cumsum(0) - lengths  # where each run begins in the result
    return run, torch.arange(len(run), device=run.device) - first[run] + starts[run]

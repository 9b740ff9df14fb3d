"""The nearest columns and the farthest value of every row of a matrix that is met in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["NearestRows"]


class NearestRows:
    """Of every row the k smallest values, ascending, and the greatest; lower columns win ties.

    Args:
        rows: of the matrix.
        k: how many are kept of a row; the matrix has at least as many columns.
        dtype: of the values.
        device: where the values are.
    """

    def __init__(self, rows: int, k: int, *, dtype: torch.dtype, device: torch.device) -> None:
        self.k = k
        self.values = torch.full((rows, k), torch.inf, dtype=dtype, device=device)
        """``[rows, k]``."""
        self.columns = torch.zeros((rows, k), dtype=torch.int64, device=device)
        """``[rows, k]``."""
        self.greatest = torch.full((rows,), -torch.inf, dtype=dtype, device=device)
        """``[rows]``."""

    def offer(self, first_row: int, first_column: int, values: Tensor) -> None:
        """Take notice of a block; the blocks of a row come by ascending columns.

        Args:
            first_row: of the block.
            first_column: of the block.
            values: ``[r, c]``, finite.
        """
        rows = slice(first_row, first_row + len(values))
        self.greatest[rows] = torch.maximum(self.greatest[rows], values.amax(dim=1))
        # Later columns lose ties, so only what is below the last one held can come in.
        better = (values < self.values[rows, -1:]).nonzero()
        if len(better) > values.numel() // 8:
            columns = torch.arange(values.shape[1], device=values.device).expand_as(values)
        else:
            values, columns = _packed(values, *better.T)
        # Positions in the joined rows ascend as the columns do: what was held came earlier, and is
        # itself in the order of columns where values are equal.
        joined = torch.cat((self.values[rows], values), dim=1)
        chosen = _smallest(joined, self.k)
        self.values[rows] = joined.gather(1, chosen)
        joined = torch.cat((self.columns[rows], columns + first_column), dim=1)
        self.columns[rows] = joined.gather(1, chosen)


def _packed(values: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """The few chosen of each row and their columns, ``[r, most]``, filled up with infinity."""
    counts = torch.bincount(row, minlength=len(values))
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    packed = values.new_full((len(values), int(counts.max())), torch.inf)
    packed[row, place] = values[row, column]
    columns = torch.zeros_like(packed, dtype=torch.int64)
    columns[row, place] = column
    return packed, columns


def _smallest(values: Tensor, k: int) -> Tensor:
    """Positions ``[r, k]`` of the smallest of each row, ascending, lower positions first in ties.

    As the beginning of a stable sort, without sorting the rest: `torch.topk` finds the values, but
    which of equal ones it takes is not defined.
    """
    found = values.topk(k, dim=1, largest=False, sorted=False)
    position = found.indices.sort(dim=1).values
    bound = found.values.amax(dim=1, keepdim=True)
    torn = (values == bound).sum(dim=1) > (found.values == bound).sum(dim=1)
    if bool(torn.any()):
        position[torn] = values[torn].argsort(dim=1, stable=True)[:, :k].sort(dim=1).values
    return position.gather(1, values.gather(1, position).argsort(dim=1, stable=True))

"""The few rows that are worth an exact score, by their stripes.

Vectors lie on a grid of whole numbers, on which an inner product has no rounding: in whatever
order, by however many threads and in however many shards it is summed, the bits are the same, and
so is the shortlist.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.gallery.table import Candidates, Numbers
from qaconv_reid.models import stripes

__all__ = ["best", "on_grid", "shortlist", "vector_length"]

_STRIPES = 8
#: A vector of unit length becomes one of this many steps. Partial sums of a product of two stay
#: below 2^24, up to which float32 is exact, also where rounding lengthens them by √D/2 steps.
_STEPS = 4000.0
#: Numbers that are widened to float32 at a time: they stay in a core's own cache, and a product of
#: so few is not divided among a BLAS's threads, which cost a second where others use the machine.
_BLOCK = 2**17


def vector_length(shape: tuple[int, int, int]) -> int:
    """Numbers of a vector of maps of that shape, ``C, h, w``."""
    return min(_STRIPES, shape[1]) * shape[0]


def on_grid(maps: Tensor) -> Tensor:
    """The stripes of maps on the grid.

    Args:
        maps: ``[N, C, h, w]`` floating.

    Returns:
        ``[N, D]`` int16 on the CPU, such as float16 can hold: tables may keep either.
    """
    vectors = stripes(maps, min(_STRIPES, maps.shape[2]))
    return (vectors * _STEPS).round().to("cpu", torch.float16).to(torch.int16)


def shortlist(query: Tensor, candidates: Candidates, count: int) -> Numbers:
    """The ``count`` rows whose stripes are nearest to those of the query, ascending by number.

    Of equal ones the lower number is taken.

    Args:
        query: ``[D]`` of `on_grid`.
        candidates: the rows.
        count: how many.
    """
    # Of numpy: torch may be told to multiply in less than float32, and numpy widens int16 fastest.
    wide, vectors = query.numpy().astype(np.float32), candidates.vectors.numpy()
    scores = np.empty(len(vectors), np.float32)
    rows = max(1, _BLOCK // max(1, vectors.shape[1]))
    buffer = np.empty((rows, vectors.shape[1]), np.float32)
    for start in range(0, len(vectors), rows):
        part = vectors[start : start + rows]
        block = buffer[: len(part)]
        np.copyto(block, part)
        np.dot(block, wide, out=scores[start : start + len(part)])
    return np.sort(candidates.numbers[best(scores, candidates.numbers, count)])


def best(scores: NDArray[np.float32], numbers: Numbers, count: int) -> NDArray[np.intp]:
    """Positions of the best ``count``: by score, of equal scores by the lower number, NaN last."""
    keys = np.where(np.isnan(scores), np.inf, -scores)
    among = np.arange(len(keys))
    if 0 < count < len(keys):
        # All as good as the last one taken; a whole sort would cost more than all the rest.
        among = np.flatnonzero(keys <= np.partition(keys, count - 1)[count - 1])
    order: NDArray[np.intp] = among[np.lexsort((numbers[among], keys[among]))][:count]
    return order

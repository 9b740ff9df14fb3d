"""Two stages: every row exactly, or of many rows a shortlist by stripes and that exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_ext.functional import match_scores
from qaconv_reid.data import Box
from qaconv_reid.gallery.shortlist import best, on_grid, shortlist
from qaconv_reid.gallery.table import GalleryError, Maker, Numbers, Table

__all__ = [
    "EXACT_ROWS",
    "FindEach",
    "Found",
    "Hit",
    "Rescore",
    "default_shortlist",
    "find",
    "find_each",
    "rescore_here",
    "score_maps",
]

#: Up to so many rows each is scored exactly; above, a shortlist of at least `_LEAST` and of
#: `_SHARE` of the rows.
EXACT_ROWS = 2000
_LEAST = 1000
_SHARE = 0.01
#: Maps that are held at a time.
_BLOCK = 512

Rescore = Callable[[Table, Tensor, Numbers], NDArray[np.float32]]
"""Exact scores ``[Q, N]`` of query maps ``[Q, C, h, w]`` with rows of a table."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found, the best first."""

    path: str
    identity: str | None
    camera: int | None
    time: float | None
    box: Box | None
    score: float
    probability: float
    """Of being the same identity, at even odds; calibrated where the matcher is."""
    number: int
    """Of its row, for good."""


class Found(NamedTuple):
    """The best rows of one query, the best first."""

    numbers: Numbers
    scores: NDArray[np.float32]


class FindEach(Protocol):
    """A way to the answers of many parts of queries, part by part in their order."""

    def __call__(
        self,
        table: Table,
        parts: Iterable[Tensor],
        k: int,
        *,
        where: str | None,
        length: int | None,
    ) -> Iterator[list[Found]]:
        """As `find` answers each part; parts may be asked for before answers are taken."""


def default_shortlist(rows: int) -> int:
    """How many of so many rows are scored exactly."""
    return rows if rows <= EXACT_ROWS else max(_LEAST, int(_SHARE * rows))


def rescore_here(table: Table, queries: Tensor, numbers: Numbers) -> NDArray[np.float32]:
    """Exact scores, here, a block of maps at a time."""
    scores = np.empty((len(queries), len(numbers)), np.float32)
    for start in range(0, len(numbers), _BLOCK):
        part = numbers[start : start + _BLOCK]
        block = score_maps(table.maker, queries, table.maps(part))
        scores[:, start : start + len(part)] = block.numpy()
    return scores


def score_maps(maker: Maker, queries: Tensor, maps: Tensor) -> Tensor:
    """``[Q, N]`` float32: the scores of the model that made both."""
    locations = math.prod(maker.shape[1:])
    weight = torch.tensor(maker.weight, dtype=torch.float64).float().reshape(-1, locations)
    return match_scores(queries, maps, weight[0], maker.bias, gallery_weight=weight[-1])


def find(
    table: Table,
    queries: Tensor,
    k: int,
    *,
    where: str | None = None,
    length: int | None = None,
    rescore: Rescore = rescore_here,
) -> list[Found]:
    """The k best rows of each query.

    The order is total (score, then the lower row number) and a pair's score has the same bits in
    whatever company it is computed, so the result does not depend on blocks, threads or shards.

    Args:
        table: where to search.
        queries: ``[Q, C, h, w]`` float16 on the CPU.
        k: rows wanted; fewer come where there are fewer.
        where: a condition on the rows.
        length: of the shortlist; None for `default_shortlist` of the rows that fulfil ``where``;
            as many as there are rows, or more, scores every row.
        rescore: another way to the exact scores.

    Raises:
        GalleryError: ``k`` or ``length`` is below 1, or ``where`` cannot be read.
    """
    for name, value in (("k", k), ("shortlist", length)):
        if value is not None and value < 1:
            raise GalleryError(f"{name}: got {value}, wanted at least 1")
    table.refresh()
    numbers = table.numbers(where)
    count = default_shortlist(len(numbers)) if length is None else max(length, k)
    if count >= len(numbers):
        scores = rescore(table, queries, numbers)
        return [_found(row, numbers, k) for row in scores]
    candidates = table.candidates(where)
    found = []
    for query, vector in zip(queries, on_grid(queries), strict=True):
        few = shortlist(vector, candidates, count)
        found.append(_found(rescore(table, query[None], few)[0], few, k))
    return found


def find_each(
    table: Table, parts: Iterable[Tensor], k: int, *, where: str | None, length: int | None
) -> Iterator[list[Found]]:
    """`find` of each part, here."""
    for queries in parts:
        yield find(table, queries, k, where=where, length=length)


def _found(scores: NDArray[np.float32], numbers: Numbers, k: int) -> Found:
    order = best(scores, numbers, k)
    return Found(numbers[order], scores[order])

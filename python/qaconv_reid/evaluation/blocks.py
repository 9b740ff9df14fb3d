"""Walking over scores that come in blocks of queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor

__all__ = ["ScoreBlocks", "score_rows", "slices"]

ScoreBlocks = Iterable[Tensor | ArrayLike]
"""Blocks ``[b, gallery]`` floating, higher for more alike, of consecutive queries, together all of
them; any sizes give the same numbers. Only one is held at a time; the work is done where it
lies."""

_CELLS_AT_ONCE = 1 << 22
"""Scores looked at together: what bounds the memory that is needed beside a block."""


def score_rows(blocks: ScoreBlocks, queries: int, gallery: int) -> Iterator[tuple[slice, Tensor]]:
    """Parts of the blocks that are small enough to be worked on, checked.

    Args:
        blocks: as `ScoreBlocks` says.
        queries: how many there are.
        gallery: how many images there are.

    Yields:
        Which queries, and their scores ``[rows, gallery]``, float32 or float64.

    Raises:
        ValueError: a block has another shape or holds a NaN, or they are too few or too many.
    """
    start = 0
    for block in blocks:
        scores = torch.as_tensor(block)
        _check(scores, start, queries, gallery)
        for part in slices(len(scores), gallery):
            yield (
                slice(start + part.start, start + part.stop),
                scores[part].to(torch.promote_types(scores.dtype, torch.float32)),
            )
        start += len(scores)
    if start != queries:
        raise ValueError(f"score_blocks: got {start} rows, wanted one for each of {queries}")


def slices(rows: int, columns: int) -> Iterator[slice]:
    """Consecutive slices of ``rows`` that hold as many cells as are worked on together."""
    step = max(1, _CELLS_AT_ONCE // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _check(scores: Tensor, start: int, queries: int, gallery: int) -> None:
    if scores.dim() != 2 or scores.shape[1] != gallery:
        raise ValueError(f"scores: got shape {list(scores.shape)}, wanted [b, {gallery}]")
    if start + len(scores) > queries:
        raise ValueError(
            f"score_blocks: got at least {start + len(scores)} rows, "
            f"wanted one for each of {queries}"
        )
    if not scores.is_floating_point():
        raise ValueError(f"scores: got {scores.dtype}, wanted a floating type")
    bad = torch.isnan(scores).any(dim=1)
    if bool(bad.any()):
        raise ValueError(f"scores: got NaN for query {start + int(bad.byte().argmax())}")

"""From scores of images to scores of tracklets: the images of one walk past one camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows

__all__ = ["Pool", "pool_tracklets", "tracklet_labels"]

Tracklets = Sequence[int] | NDArray[np.int64] | Tensor
Pool = Literal["mean", "max"]
Label = TypeVar("Label")


def pool_tracklets(
    score_blocks: ScoreBlocks,
    query_tracklets: Tracklets,
    gallery_tracklets: Tracklets,
    *,
    pool: Pool = "mean",
) -> Tensor:
    """Scores of every query tracklet with every gallery tracklet.

    Args:
        score_blocks: of the images, as for `evaluate_ranking`.
        query_tracklets: ``[queries]``, the number of each image's tracklet.
        gallery_tracklets: ``[gallery]``, as ``query_tracklets``.
        pool: ``mean`` or ``max`` over all pairs of images of the two.

    Returns:
        ``[query tracklets, gallery tracklets]`` float64 on the CPU, both by ascending number: for
        `evaluate_ranking`, with the labels that `tracklet_labels` gives.

    Raises:
        ValueError: ``pool`` is neither, or as `evaluate_ranking` of blocks.
    """
    if pool not in get_args(Pool):
        raise ValueError(f"pool: got {pool!r}, wanted one of {', '.join(get_args(Pool))}")
    rows_of, row = _places("query_tracklets", query_tracklets)
    columns_of, column = _places("gallery_tracklets", gallery_tracklets)
    start = 0.0 if pool == "mean" else -torch.inf
    result = torch.full((len(rows_of), len(columns_of)), start, dtype=torch.float64)
    for rows, scores in score_rows(score_blocks, len(row), len(column)):
        own = scores.cpu().double()
        across = torch.full((len(own), len(columns_of)), start, dtype=torch.float64)
        if pool == "mean":
            result.index_add_(0, row[rows], across.index_add_(1, column, own))
        else:
            across.scatter_reduce_(1, column.expand_as(own), own, "amax")
            result.scatter_reduce_(0, row[rows, None].expand_as(across), across, "amax")
    if pool == "mean":
        result /= torch.bincount(row)[:, None] * torch.bincount(column)
    return result


def tracklet_labels(tracklets: Tracklets, labels: Sequence[Label]) -> list[Label]:
    """The label (identity or camera) of every tracklet, by ascending number.

    Args:
        tracklets: ``[N]``, the number of each image's tracklet.
        labels: ``[N]``, of each image.

    Raises:
        ValueError: not as many of both, or the images of a tracklet have several labels.
    """
    numbers, place = _places("tracklets", tracklets)
    if len(labels) != len(place):
        raise ValueError(f"labels: got {len(labels)} for {len(place)} images, wanted as many")
    found: dict[int, Label] = {}
    for image, (where, label) in enumerate(zip(place.tolist(), labels, strict=True)):
        if found.setdefault(where, label) != label:
            raise ValueError(
                f"labels: got {label!r} for image {image} and {found[where]!r} for another of "
                f"tracklet {int(numbers[where])}, wanted one"
            )
    return [found[where] for where in range(len(numbers))]


def _places(name: str, tracklets: Tracklets) -> tuple[Tensor, Tensor]:
    numbers = torch.as_tensor(tracklets, dtype=torch.int64)
    if numbers.dim() != 1 or len(numbers) == 0:
        raise ValueError(f"{name}: got shape {list(numbers.shape)}, wanted [N] with N at least 1")
    found, place = torch.unique(numbers, return_inverse=True)
    return found, place

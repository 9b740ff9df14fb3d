"""Rank-1 and mAP of every camera's queries in every camera's gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows
from qaconv_reid.evaluation.labels import Cameras, Labels, Pids
from qaconv_reid.evaluation.ranking import measure_rows

__all__ = ["CameraPairs", "evaluate_camera_pairs"]


@dataclass(frozen=True, slots=True)
class CameraPairs:
    """A table with a row for each of A query cameras and a column for each of B gallery cameras."""

    query_cameras: tuple[int, ...]
    """``A``, ascending."""
    gallery_cameras: tuple[int, ...]
    """``B``, ascending."""
    rank1: NDArray[np.float64]
    """``[A, B]``, 0 to 1; NaN where no query is counted."""
    mAP: NDArray[np.float64]
    """``[A, B]``, as ``rank1``."""
    counted: NDArray[np.int64]
    """``[A, B]``: queries with a match in the images of that camera."""


def evaluate_camera_pairs(
    score_blocks: ScoreBlocks,
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
) -> CameraPairs:
    """Search each gallery camera's images by themselves; images without a camera take no part.

    The query's own images by its own camera are left out, as in Market-1501's protocol.

    Args:
        score_blocks: as for `evaluate_ranking`, and so the others.
        query_ids: ``[queries]``.
        query_cams: ``[queries]``.
        gallery_ids: ``[gallery]``.
        gallery_cams: ``[gallery]``.

    Raises:
        ValueError: as `evaluate_ranking`, or a side has no cameras.
    """
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    for name, side in (("query_cams", query), ("gallery_cams", gallery)):
        if not bool(side.known.any()):
            raise ValueError(f"{name}: got none that is known, wanted cameras")
    rows_of = torch.unique(query.cameras[query.known])
    columns_of = torch.unique(gallery.cameras[gallery.known])
    shape = (len(rows_of), len(columns_of))
    first, precision = torch.zeros(shape), torch.zeros(shape, dtype=torch.float64)
    counted = torch.zeros(shape, dtype=torch.int64)
    columns = [
        ((gallery.cameras == camera) & gallery.known).nonzero()[:, 0] for camera in columns_of
    ]
    for rows, scores in score_rows(score_blocks, len(query), len(gallery)):
        matches, left_out = query.matches(gallery, rows)
        known = query.known[rows]
        place = torch.searchsorted(rows_of, query.cameras[rows][known])
        for column, images in enumerate(columns):
            own = scores[:, images.to(scores.device)]
            measured = measure_rows(
                own, matches[:, images].to(own.device), ~left_out[:, images].to(own.device)
            )
            average, _, rank = (part.cpu()[known] for part in measured)
            first[:, column].index_add_(0, place, (rank == 1).float())
            precision[:, column].index_add_(0, place, average.nan_to_num())
            counted[:, column].index_add_(0, place, (rank > 0).long())
    return CameraPairs(
        tuple(rows_of.tolist()),
        tuple(columns_of.tolist()),
        (first.double() / counted).numpy(),
        (precision / counted).numpy(),
        counted.numpy(),
    )

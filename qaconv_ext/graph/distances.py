"""Distances of all classes from each other by a matcher, and the nearest classes of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed, nn

from qaconv_ext import _arguments, _checks

#: Rows of the distance matrix sorted at a time: bounds the memory of `nearest_classes`.
SORTED_ROWS = 1024

#: Blocks are not made smaller than this for the sake of many processes.
_SMALLEST_BLOCK = 64


@torch.no_grad()
def class_distances(
    features: Tensor,
    matcher: Callable[[Tensor, Tensor | None], Tensor],
    *,
    block: int = 1024,
    divided: bool = False,
) -> Tensor:
    """Minus the score of every item with every other, each pair matched once and mirrored.

    Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.2: one item per class, distance = -score.

    Args:
        features: ``[N, ...]`` floating, whatever the matcher takes: maps ``[N, C, h, w]`` for
            `QAConv`, on the device of the matcher.
        matcher: called as ``matcher(probe, gallery) -> scores [P, G]``, and with None as the
            gallery to match a block with itself. A module is put in evaluation mode for the call;
            every submodule gets its own mode back. Its scores are taken as symmetric, unless it has
            an attribute ``symmetric`` that is false: then every pair is matched both ways.
        block: items matched with each other in one call; bounds the memory beside the result.
        divided: the processes of torch.distributed's default group divide the blocks among them;
            all call this with the same features, and get the whole matrix.

    Returns:
        ``[N, N]`` float32 on the device of ``features``, exactly symmetric where the matcher is;
        the diagonal holds the distance of an item to itself, which is not 0 in general.

    Raises:
        TypeError, ValueError: an argument is not as described, or the matcher gave something else
            than scores of that shape.
    """
    _arguments.tensor("features", features)
    if features.dim() == 0:
        raise ValueError("features: got shape [], wanted [N, ...]")
    _checks.function("matcher", matcher, "a function of two sets of features")
    block = _checks.whole_number("block", block, 1)
    divided = _checks.truth("divided", divided)
    number = len(features)
    rank, size = (distributed.get_rank(), distributed.get_world_size()) if divided else (0, 1)
    if size > 1:
        # Enough blocks for all; a score does not depend on the block it is computed in.
        block = min(block, max(_SMALLEST_BLOCK, -(-number // (2 * size))))
    # Of the features and not of torch: batched where vmap has batched them.
    zeros = features.new_zeros
    distances = _arguments.within_memory(zeros, (number, number), dtype=torch.float32)
    symmetric = getattr(matcher, "symmetric", True)
    with _evaluation_mode(matcher):
        for rows, columns in _blocks(number, block)[rank::size]:
            if not symmetric:
                distances[rows, columns] = -_scores(matcher, features[rows], features[columns])
                if rows != columns:
                    distances[columns, rows] = -_scores(matcher, features[columns], features[rows])
            elif rows == columns:
                itself = -_scores(matcher, features[rows], None)
                distances[rows, rows] = itself.triu() + itself.triu(1).T
            else:
                part = -_scores(matcher, features[rows], features[columns])
                distances[rows, columns] = part
                distances[columns, rows] = part.T
    if size > 1:
        distributed.all_reduce(distances)  # every number is on one process, and 0 on the others
    return distances


def _blocks(number: int, block: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the blocks on and above the diagonal."""
    parts = [slice(at, min(at + block, number)) for at in range(0, number, block)]
    return [(rows, columns) for i, rows in enumerate(parts) for columns in parts[i:]]


def nearest_classes(distances: Tensor | npt.NDArray[np.floating], k: int) -> Tensor:
    """The k nearest other classes of each class, nearest first.

    Of equal distances the lowest class number comes first; infinite distances come after finite
    ones, and NaN after everything. A class is left out of its own list by its number, whatever the
    diagonal holds.

    Args:
        distances: ``[N, N]`` floating, a torch tensor on any device or a numpy array.
        k: from 0 to N - 1.

    Returns:
        ``[N, k]`` int64 on the device of ``distances``.

    Raises:
        TypeError, ValueError: ``distances`` is not square or not floating, or ``k`` is out of its
            range.
    """
    if not isinstance(distances, (Tensor, np.ndarray)):
        raise TypeError(
            f"distances: got {_checks.shown(distances)}, wanted a torch.Tensor or a numpy array"
        )
    distances = _arguments.tensor("distances", torch.as_tensor(distances))
    if distances.is_meta:
        raise ValueError("distances: got device meta, wanted one that holds numbers")
    if distances.dim() != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError(f"distances: got shape {list(distances.shape)}, wanted [N, N]")
    if not distances.is_floating_point():
        raise ValueError(f"distances: got dtype {distances.dtype}, wanted a floating type")
    number = len(distances)
    k = _checks.whole_number("k", k, 0, max(number - 1, 0))
    nearest = torch.empty(number, k, dtype=torch.long, device=distances.device)
    for start in range(0, number, SORTED_ROWS):
        rows = distances[start : start + SORTED_ROWS]
        # One bit pattern for NaN and for zero: minus a score makes -NaN and -0.0, and a sort that
        # goes by the bits would take them for the smallest.
        rows = torch.where(rows.isnan(), math.nan, rows + 0.0)
        order = rows.sort(dim=1, stable=True).indices  # [rows, N]
        itself = torch.arange(start, start + len(rows), device=distances.device)
        others = order[order != itself[:, None]].reshape(len(rows), number - 1)
        nearest[start : start + len(rows)] = others[:, :k]
    return nearest


def _scores(
    matcher: Callable[[Tensor, Tensor | None], Tensor], probe: Tensor, gallery: Tensor | None
) -> Tensor:
    columns = len(probe if gallery is None else gallery)
    return _arguments.scores("matcher", matcher(probe, gallery), len(probe), columns).float()


@contextmanager
def _evaluation_mode(matcher: object) -> Iterator[None]:
    """A module in evaluation mode; anything else is left alone."""
    if not isinstance(matcher, nn.Module):
        yield
        return
    # Per submodule: train(True) at the end would wake the ones that were frozen on purpose.
    modes = [(module, module.training) for module in matcher.modules()]
    matcher.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training

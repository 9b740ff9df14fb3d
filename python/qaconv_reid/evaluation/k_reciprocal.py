"""k-reciprocal encoding, sparse: what an image's neighbors say of each other.

Zhong et al., *Re-ranking Person Re-identification with k-reciprocal Encoding*, CVPR 2017, sections
3.2 to 3.4. N images, queries and gallery alike, are one sequence here. Of their distances only
those to each one's nearest are held; whatever else is needed is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qaconv_reid.evaluation.sparse_rows import SparseRows

__all__ = ["PairDistances", "Settings", "encode", "jaccard_distances"]

#: Entries that are worked on together: what bounds the memory beside the result.
_ENTRIES_AT_ONCE = 1 << 21

PairDistances = Callable[[Tensor, Tensor], Tensor]
"""Distances of pairs of images: their numbers ``[n]`` and ``[n]``, the first ascending; ``[n]``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the re-ranking; the names are the paper's."""

    k1: int = 20
    """Neighbors of an image that may be reciprocal."""
    k2: int = 6
    """Neighbors, itself among them, whose encodings are averaged; 1 averages nothing."""
    weight: float = 0.3
    """Share of the original distance in the result (lambda)."""

    def __post_init__(self) -> None:
        for name, value in (("k1", self.k1), ("k2", self.k2)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: got {value!r}, wanted a whole number, at least 1")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight: got {self.weight}, wanted 0 to 1")

    def kept(self, images: int) -> int:
        """How many of the nearest of an image are looked at, itself among them."""
        return min(max(self.k1 + 1, self.k2), images)


def encode(
    nearest: Tensor, distances: Tensor, farthest: Tensor, others: PairDistances, settings: Settings
) -> SparseRows:
    """Every image as weights over the images that are its reciprocal neighbors.

    Args:
        nearest: ``[N, kept]`` int64: the numbers of the nearest of each image, the nearest first;
            it is usually the first itself.
        distances: ``[N, kept]`` floating, theirs.
        farthest: ``[N]``: the greatest distance of each image to any.
        others: for pairs that are not among the nearest: few of all.
        settings: the numbers of neighbors.

    Returns:
        ``[N, N]``; a row sums to 1, or is empty where an image is nobody's neighbor.
    """
    near = nearest[:, : settings.k1 + 1]
    # round() and the original's numpy agree: halves go to the even number.
    half = nearest[:, : round(settings.k1 / 2) + 1]
    mutual, mutual_half = _reciprocal(near), _reciprocal(half)
    images, width = len(near), near.shape[1]
    counts, columns, values = [], [], []
    step = max(1, _ENTRIES_AT_ONCE // (width * half.shape[1] * width))
    for start in range(0, images, step):
        rows = slice(start, start + step)
        members = _expanded(near[rows], mutual[rows], half, mutual_half, images)
        real = members < images
        row = torch.arange(start, start + len(members), device=near.device)
        distance = _distances(row, members, real, nearest[rows], distances[rows], others)
        scaled = distance.square() / _positive(farthest[rows].square())[:, None]
        weight = torch.where(real, torch.exp(-scaled), 0.0)
        weight /= _positive(weight.sum(dim=1, keepdim=True))
        counts.append(real.sum(dim=1))
        columns.append(members[real])
        values.append(weight[real])
    encoding = SparseRows.join(counts, columns, values, images)
    return encoding if settings.k2 == 1 else _averaged(encoding, nearest[:, : settings.k2])


def jaccard_distances(encoding: SparseRows, gallery: SparseRows, rows: Tensor) -> Tensor:
    """Jaccard distances by sums of minima, equation 10.

    Args:
        encoding: ``[N, N]``, from `encode`.
        gallery: the rows of the encoding to compare with, transposed: ``[N, G]``.
        rows: ``[n]`` int64, which rows of the encoding are compared.

    Returns:
        ``[n, G]``, 0 for equal to 1 for nothing in common.
    """
    shared = encoding.values.new_zeros(len(rows) * gallery.width)
    owner, entry = encoding.entries(rows)
    column = encoding.columns[entry].long()
    for part in gallery.parts(column, _ENTRIES_AT_ONCE):
        which, met = gallery.entries(column[part])
        least = torch.minimum(encoding.values[entry[part][which]], gallery.values[met])
        place = owner[part][which] * gallery.width + gallery.columns[met]
        shared.index_add_(0, place, least)
    shared = shared.view(len(rows), gallery.width)
    return 1 - shared / (2 - shared)


def _reciprocal(nearest: Tensor) -> Tensor:
    """Which of the nearest of each image have that image among theirs, bool ``[N, k]``."""
    step = max(1, _ENTRIES_AT_ONCE // nearest.shape[1] ** 2)
    own = torch.arange(len(nearest), device=nearest.device)
    parts = [
        (nearest[nearest[start : start + step]] == own[start : start + step, None, None]).any(dim=2)
        for start in range(0, len(nearest), step)
    ]
    return torch.cat(parts)


def _expanded(near: Tensor, mutual: Tensor, half: Tensor, mutual_half: Tensor, end: int) -> Tensor:
    """The reciprocal neighbors of some images, with those of theirs that fit (equation 4).

    Returns:
        ``[n, most]`` int64: their numbers, ascending, each once; filled up with ``end``.
    """
    theirs = half[near]  # [n, k, h]
    valid = mutual_half[near] & mutual[:, :, None]
    inside = ((theirs[..., None] == near[:, None, None, :]) & mutual[:, None, None, :]).any(dim=3)
    # Two thirds of a candidate's own have to be among the image's; in whole numbers.
    fits = 3 * (inside & valid).sum(dim=2) > 2 * valid.sum(dim=2)
    candidates = torch.where(valid & fits[:, :, None], theirs, end).flatten(1)
    members = torch.cat((torch.where(mutual, near, end), candidates), dim=1).sort(dim=1).values
    members[:, 1:][members[:, 1:] == members[:, :-1]] = end
    members = members.sort(dim=1).values
    return members[:, : int((members < end).sum(dim=1).max())]


def _distances(
    row: Tensor,
    members: Tensor,
    real: Tensor,
    nearest: Tensor,
    distances: Tensor,
    others: PairDistances,
) -> Tensor:
    """The distances of images to their members, ``[n, most]``; 0 where none is real."""
    result = distances.new_zeros(members.shape)
    known = torch.zeros_like(real)
    for place in range(nearest.shape[1]):
        here = members == nearest[:, place, None]
        result = torch.where(here, distances[:, place, None], result)
        known |= here
    missing = real & ~known
    if bool(missing.any()):
        result[missing] = others(row[:, None].expand_as(members)[missing], members[missing])
    return result


def _averaged(encoding: SparseRows, nearest: Tensor) -> SparseRows:
    """The mean of the rows of each image's nearest (local query expansion, equation 12)."""
    counts, columns, values = [], [], []
    width, k = encoding.width, nearest.shape[1]
    longest = max(int(encoding.ends.diff().max()), 1)
    step = max(1, _ENTRIES_AT_ONCE // (k * longest))
    for start in range(0, len(nearest), step):
        block = nearest[start : start + step]
        place, entry = encoding.entries(block.flatten())
        key = (place // k) * width + encoding.columns[entry]
        found, group = torch.unique(key, return_inverse=True)
        total = encoding.values.new_zeros(len(found)).index_add_(0, group, encoding.values[entry])
        counts.append(torch.bincount(found // width, minlength=len(block)))
        columns.append(found % width)
        values.append(total / k)
    return SparseRows.join(counts, columns, values, width)


def _positive(values: Tensor) -> Tensor:
    """With 1 for 0: to divide by, where all that is divided is 0 as well."""
    return torch.where(values > 0, values, 1.0)

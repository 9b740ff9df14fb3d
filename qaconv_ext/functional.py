"""The matcher as functions of feature maps: maxima, scores, distances, nearest matches.

They hold no state: weights are arguments. `qaconv_ext.qaconv.QAConv` is made of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from qaconv_ext import _arguments, _checks, backend
from qaconv_ext._nearest import Arrays, NearestMatches
from qaconv_ext._nearest import nearest_matches as nearest
from qaconv_ext.reference import compute_dtype

__all__ = [
    "CorrelationMax",
    "NearestMatches",
    "correlation_max",
    "correlation_max_self",
    "match_scores",
    "nearest_matches",
    "pairwise_distance",
]


class CorrelationMax(NamedTuple):
    """Both maxima of the correlation of every pair of maps, and where they are."""

    over_gallery: Tensor
    """``[P, G, probe locations]``: for each probe location, its best correlation with the gallery
    map."""
    over_probe: Tensor
    """``[P, G, gallery locations]``: for each gallery location, its best with the probe map."""
    gallery_index: Tensor
    """``[P, G, probe locations]`` uint8 (int16 above 256 locations): the gallery location that was
    best."""
    probe_index: Tensor
    """``[P, G, gallery locations]``: the probe location that was best."""


def correlation_max(probe: Tensor, gallery: Tensor) -> CorrelationMax:
    """Correlate all locations of every probe map with all of every gallery map; keep the maxima.

    The hw × hw correlation of a pair is never stored. Sums run in float32 (float64 for float64
    inputs) and the maxima come in that type. Of equal values the lowest position wins; a NaN wins
    over everything. The gradient goes to both inputs through the winners only and is the same from
    run to run.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, locations]``, float32, float64, float16 or bfloat16.
        gallery: ``[G, C, h', w']`` or ``[G, C, locations']``, dtype and device as ``probe``.

    Returns:
        `CorrelationMax`; empty where P or G is 0.

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    probe = _arguments.feature_maps("probe", probe)
    gallery = _arguments.feature_maps("gallery", gallery)
    _arguments.matching(probe, gallery)
    run = backend.ops_for(probe).correlation_max
    return CorrelationMax(*_arguments.within_memory(run, probe, gallery))


def correlation_max_self(features: Tensor) -> tuple[Tensor, Tensor]:
    """`correlation_max` of maps with themselves, at half the work and half the memory.

    ``over_gallery`` is ``maxima`` and ``over_probe`` is ``maxima.transpose(0, 1)``, bit for bit, so
    only one of them is computed.

    Args:
        features: ``[N, C, h, w]`` or ``[N, C, locations]``, float32, float64, float16 or bfloat16.

    Returns:
        ``maxima [N, N, locations]`` float32 (float64 for float64 inputs): for each location of the
        first map, its best correlation with the second. Then ``index``, of the same shape, uint8
        (int16 above 256 locations): the location of the second map that was best.

    Raises:
        TypeError, ValueError: ``features`` is not one of the above.
    """
    features = _arguments.feature_maps("features", features)
    return _arguments.within_memory(backend.ops_for(features).correlation_max_self, features)


def match_scores(
    probe: Tensor,
    gallery: Tensor,
    weight: Tensor,
    bias: Tensor | float = 0.0,
    *,
    gallery_weight: Tensor | None = None,
) -> Tensor:
    """The weighted sum of both maxima of every pair, fused: no number per location is stored.

    ``score[p, g] = Σ_s weight[s]·max_r S + Σ_r gallery_weight[r]·max_s S + bias`` with
    ``S[s, r] = <probe[p, :, s], gallery[g, :, r]>``. The bits of a pair's score do not depend on
    the other pairs nor on the number of threads.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, locations]``, float32, float64, float16 or bfloat16.
        gallery: ``[G, C, h', w']`` or ``[G, C, locations']``, dtype and device as ``probe``.
        weight: ``[locations]``, any floating type; used in the type of the sums.
        bias: a number, or a tensor of one.
        gallery_weight: ``[locations']``; by default ``weight``, which needs maps of equal size.

    Returns:
        ``[P, G]`` float32 (float64 for float64 inputs).

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    given = probe, gallery
    probe = _arguments.feature_maps("probe", probe)
    gallery = _arguments.feature_maps("gallery", gallery)
    _arguments.matching(probe, gallery)
    dtype = compute_dtype(probe.dtype)
    if gallery_weight is None:
        _checks.one_weight(given[0].shape, given[1].shape)
        gallery_weight = weight
    weight = _arguments.vector("weight", weight, probe.shape[2], probe, dtype)
    gallery_weight = _arguments.vector(
        "gallery_weight", gallery_weight, gallery.shape[2], probe, dtype
    )
    run, number = backend.ops_for(probe).match_scores, _arguments.bias(bias, probe, dtype)
    return _arguments.within_memory(run, probe, gallery, weight, gallery_weight, number)


def pairwise_distance(features: Tensor, weight: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Minus the score of every map with every other and with itself.

    Equal to ``-match_scores(features, features, weight, bias)`` bit for bit, at half the work: the
    score is symmetric, so one triangle is computed and mirrored.

    Args:
        features: ``[N, C, h, w]`` or ``[N, C, locations]``, float32, float64, float16 or bfloat16.
        weight: ``[locations]``, any floating type.
        bias: a number, or a tensor of one.

    Returns:
        ``[N, N]`` float32 (float64 for float64 inputs), symmetric; the diagonal holds the distance
        of a map to itself, which is not 0 in general.

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    features = _arguments.feature_maps("features", features)
    dtype = compute_dtype(features.dtype)
    weight = _arguments.vector("weight", weight, features.shape[2], features, dtype)
    run, number = (
        backend.ops_for(features).pairwise_distance,
        _arguments.bias(bias, features, dtype),
    )
    return _arguments.within_memory(run, features, weight, number)


@torch.no_grad()
def nearest_matches(
    probe: Tensor,
    gallery: Tensor | None,
    weight: Tensor,
    bias: Tensor | float = 0.0,
    *,
    k: int,
    gallery_weight: Tensor | None = None,
    block: int = 512,
) -> NearestMatches[Tensor]:
    """The k best matches of every probe, without ever storing the matrix of scores.

    Best is the highest score; of equal scores the lower gallery number comes first, and NaN comes
    last. The order does not depend on ``block``, because a pair's score does not. Memory beside the
    result is that of ``block × block`` scores (for a self match, of ``probes × k`` more). No
    gradient.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, locations]``, as for `match_scores`.
        gallery: ``[G, C, h', w']`` or ``[G, C, locations']``; None matches ``probe`` with itself,
            every map's own number left out, at half the work.
        weight: as for `match_scores`.
        bias: as for `match_scores`.
        k: from 0 to the number of candidates: G, or P - 1 in a self match.
        gallery_weight: as for `match_scores`; not for a self match.
        block: maps of either side that are matched at a time.

    Returns:
        `NearestMatches`.

    Raises:
        TypeError, ValueError: an argument's type, shape or range is not one of the above.
    """
    _arguments.feature_maps("probe", probe)
    if gallery is None:
        _checks.self_match(gallery_weight)
    else:
        _arguments.feature_maps("gallery", gallery)
    columns = None if gallery is None else len(gallery)
    k, block = _checks.nearest(k, block, len(probe), columns)
    return nearest(
        _torch_arrays(probe.device),
        lambda p, g: match_scores(p, g, weight, bias, gallery_weight=gallery_weight),
        lambda maps: pairwise_distance(maps, weight, bias),
        probe,
        gallery,
        k,
        block,
    )


def _torch_arrays(device: torch.device) -> Arrays:
    def numbers(rows: int, begin: int, end: int) -> Tensor:
        return torch.arange(begin, end, device=device).expand(rows, -1)

    def own(columns: Tensor, first_row: int) -> Tensor:
        rows = torch.arange(first_row, first_row + len(columns), device=device)
        return columns == rows[:, None]

    return Arrays(
        # + 0.0: a sort may go by the bits, where -0 comes before 0.
        order=lambda distances: (distances + 0.0).sort(dim=1, stable=True).indices,
        take=lambda values, order: values.gather(1, order),
        join=lambda a, b: torch.cat((a, b), dim=1),
        stack=torch.cat,
        numbers=numbers,
        is_own=own,
    )

"""Query-adaptive convolution: the matcher of feature maps.

Liao & Shao, *Interpretable and Generalizable Person Re-Identification with Query-Adaptive
Convolution and Temporal Lifting*, ECCV 2020 (arXiv 1904.10424), and *Graph Sampling Based Deep
Metric Learning for Generalizable Person Re-Identification*, CVPR 2022 (arXiv 2104.01546).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qaconv_ext import _arguments, _checks, backend
from qaconv_ext._batch_norm import affine, joint_variance_and_mean, update_running
from qaconv_ext._fold import Fold, FoldCache
from qaconv_ext._nearest import Arrays, distances_of, nearest_in_blocks
from qaconv_ext._share import BatchShare
from qaconv_ext.reference import compute_dtype

__all__ = [
    "BatchShare",
    "CorrelationMax",
    "NearestMatches",
    "QAConv",
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

    One plane says it all: ``over_gallery`` is ``maxima``, ``over_probe`` is
    ``maxima.transpose(0, 1)``, bit for bit.

    Args:
        features: ``[N, C, h, w]`` or ``[N, C, locations]``, float32, float64, float16 or bfloat16.

    Returns:
        ``maxima [N, N, locations]`` float32 (float64 for float64 inputs): for each location of the
        first map, its best correlation with the second; and the second's position of it, uint8
        (int16 above 256 locations).

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
    """The weighted sum of both maxima of every pair, fused: nothing per location reaches memory.

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


class NearestMatches(NamedTuple):
    """The best matches of each probe, best first."""

    scores: Tensor
    """``[P, k]`` float32 (float64 for float64 inputs), descending, NaN last."""
    gallery_index: Tensor
    """``[P, k]`` int64: their numbers in the gallery."""


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
) -> NearestMatches:
    """The k best matches of every probe, without ever holding the matrix of scores.

    The order is total: by score, of equal scores the lower gallery number, NaN last. It does not
    depend on ``block``, for a pair's score does not. Memory beside the result is that of ``block ×
    block`` scores (for a self match, of ``probes × k`` more). No gradient.

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

    distances = distances_of(
        lambda p, g: match_scores(p, g, weight, bias, gallery_weight=gallery_weight),
        lambda maps: pairwise_distance(maps, weight, bias),
        probe,
        gallery,
    )
    # An empty match checks the other arguments, whatever the sizes.
    empty = distances(0, 0, 0, 0)
    if k == 0 or len(probe) == 0:
        return NearestMatches(
            empty.new_empty((len(probe), k)),
            torch.empty((len(probe), k), dtype=torch.int64, device=probe.device),
        )
    arrays = _torch_arrays(probe.device)
    parts = nearest_in_blocks(arrays, distances, len(probe), columns, k, block)
    found, index = zip(*parts, strict=True)
    return NearestMatches(-torch.cat(found), torch.cat(index))


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
        numbers=numbers,
        is_own=own,
    )


class QAConv(nn.Module):
    """The QAConv matcher with its head: batch norm, one weight per location, batch norm.

    Parameters and buffers carry the names and shapes of the authors' checkpoints (``bn``, ``fc``,
    ``logit_bn``), so their ``state_dict`` loads unchanged. In training mode both batch norms use
    the statistics of every pair of the call; in evaluation mode all that follows the maxima is one
    affine map, folded in float64, and the scores come from the fused kernel.

    Where no gradient is wanted, the folded head serves until a parameter or a buffer changes.
    Changes that torch does not count (through ``.data`` or NumPy, by another process, by a CUDA
    graph that is replayed) are seen after the next ``eval()`` or ``train()``.

    Args:
        num_features: channels C of the feature maps.
        height: rows of the feature maps.
        width: columns of the feature maps.
        separate_weights: a weight for each location of either side, ``2·height·width`` in all, from
            a random start, as the authors' releases before 2.1 had it. The score is then no longer
            the same with the sides exchanged, and a self match takes all pairs.
    """

    def __init__(
        self, num_features: int, height: int, width: int, *, separate_weights: bool = False
    ) -> None:
        super().__init__()
        self.num_features = _checks.whole_number("num_features", num_features, 1)
        self.height = _checks.whole_number("height", height, 1)
        self.width = _checks.whole_number("width", width, 1)
        self.separate_weights = _checks.truth("separate_weights", separate_weights)
        self.bn = nn.BatchNorm1d(1)
        self.fc = nn.Linear(self.height * self.width * (2 if self.separate_weights else 1), 1)
        self.logit_bn = nn.BatchNorm1d(1)
        self._fold_cache = FoldCache()
        self.reset_parameters()

    def extra_repr(self) -> str:
        """The sizes, for ``print(matcher)``."""
        sizes = f"num_features={self.num_features}, height={self.height}, width={self.width}"
        return sizes + (", separate_weights=True" if self.separate_weights else "")

    @property
    def symmetric(self) -> bool:
        """Whether a pair's score is the same with its sides exchanged."""
        return not self.separate_weights

    def reset_parameters(self) -> None:
        """Start as the plain mean of the maxima: every location weighs 1 / (height · width).

        Separate weights start at random, as `torch.nn.Linear` does.
        """
        self.bn.reset_parameters()
        self.logit_bn.reset_parameters()
        if self.separate_weights:
            self.fc.reset_parameters()
            return
        nn.init.constant_(self.fc.weight, 1.0 / (self.height * self.width))
        nn.init.zeros_(self.fc.bias)

    def forward(
        self, probe: Tensor, gallery: Tensor | None = None, *, share: BatchShare | None = None
    ) -> Tensor:
        """Scores of every pair, higher for more alike.

        Args:
            probe: ``[P, C, height, width]``, each location an L2-normalized vector of C channels.
            gallery: ``[G, C, height, width]``; None matches ``probe`` with itself at half the work.
            share: of a batch that several processes have divided, in training mode: ``probe`` is
                this one's part. Each process computes the rows of its own part and gets the scores
                of all, with the gradient of a loss that every process computes alike. ``gallery``,
                where given, is the same on all.

        Returns:
            ``[P, G]`` float32 (float64 for float64 inputs); with ``share`` P is the whole batch.

        Raises:
            TypeError, ValueError: a map's type or shape is not the one of this matcher.
        """
        self._check("probe", probe)
        if gallery is not None:
            self._check("gallery", gallery)
        if self.bn.training != self.logit_bn.training:
            raise RuntimeError("bn and logit_bn: got one in training mode and one in evaluation")
        if self.bn.training:
            return self._scores_by_batch_statistics(probe, gallery, share)
        if share is not None:
            raise RuntimeError("share: got one in evaluation mode, wanted training mode")
        weight, bias = self._fold_for(probe)
        if gallery is None and self.symmetric:
            return -pairwise_distance(probe, weight, bias)
        weight, gallery_weight = self.sides(weight)
        gallery = probe if gallery is None else gallery
        return match_scores(probe, gallery, weight, bias, gallery_weight=gallery_weight)

    def nearest_matches(
        self, probe: Tensor, gallery: Tensor | None = None, *, k: int, block: int = 512
    ) -> NearestMatches:
        """The k best matches of every probe, by the evaluation-mode scores whatever the mode.

        See `qaconv_ext.qaconv.nearest_matches`; the maps are checked as by `forward`.

        Raises:
            ValueError: besides, a self match of a matcher with separate weights: it would take each
                pair once.
        """
        self._check("probe", probe)
        weight, bias = self._fold_for(probe)
        if gallery is None:
            if not self.symmetric:
                raise ValueError("gallery: got None with separate_weights, wanted maps")
            return nearest_matches(probe, None, weight, bias, k=k, block=block)
        self._check("gallery", gallery)
        weight, gallery_weight = self.sides(weight)
        return nearest_matches(
            probe, gallery, weight, bias, k=k, gallery_weight=gallery_weight, block=block
        )

    def sides(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of the probe's locations and of the gallery's, ``[height·width]`` each.

        Args:
            weight: as `folded` gives it: ``[height·width]``, or twice as many where they are apart.
        """
        if not self.separate_weights:
            return weight, weight
        probe_weight, gallery_weight = weight.reshape(2, -1)
        return probe_weight, gallery_weight

    def folded(self) -> tuple[Tensor, Tensor]:
        """The evaluation-mode head as one affine map of the maxima.

        Returns:
            ``weight [height·width]`` and ``bias [1]`` in float64, differentiable, with
            ``score = Σ_s weight[s]·(over_gallery[s] + over_probe[s]) + bias``. Of separate weights
            ``[2·height·width]``: those of ``over_gallery``, then those of ``over_probe``.
        """
        scale, shift = affine(self.bn)
        logit_scale, logit_shift = affine(self.logit_bn)
        fc_weight = self.fc.weight.double().reshape(-1)
        fc_bias = self.fc.bias.double()
        weight = logit_scale * scale * fc_weight
        bias = logit_scale * self._halves * (shift * fc_weight.sum() + fc_bias) + logit_shift
        return weight, bias

    @property
    def _halves(self) -> int:
        """How many times the shift of bn and the bias of fc come in a score.

        Once for each half of the maxima that the same weights serve.
        """
        return 1 if self.separate_weights else 2

    def train(self, mode: bool = True) -> QAConv:
        """As of every module; what was folded before is forgotten."""
        self._fold_cache.forget()
        return super().train(mode)

    def _fold_for(self, maps: Tensor) -> Fold:
        """`folded` in the type of the maps' sums; the last one, where nothing has changed."""
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if traced or torch.compiler.is_compiling():
            return self.folded()
        parts: list[Tensor | None] = [self.fc.weight, self.fc.bias]
        for norm in (self.bn, self.logit_bn):
            # Torch does not count that a batch changes the statistics, but batches are counted.
            parts += [norm.weight, norm.bias, norm.running_mean, norm.running_var]
            parts.append(norm.num_batches_tracked)
        there = [part for part in parts if part is not None]
        dtype = compute_dtype(maps.dtype)
        return self._fold_cache.get(there, dtype, self.folded, self.bn.eps, self.logit_bn.eps)

    def _scores_by_batch_statistics(
        self, probe: Tensor, gallery: Tensor | None, share: BatchShare | None
    ) -> Tensor:
        """The training-mode scores, from both maxima of every pair and no copy of them.

        Both norms and the weights are linear in the maxima, so a pair needs only its weighted sum
        ``Σ_s w_s·(over_gallery_s + over_probe_s)``, and all pairs together one mean and variance.
        In a self match the second plane of maxima is the first with the pairs transposed, and is
        not made at all.
        """
        if share is not None:
            _checks.instance("share", share, BatchShare, "a BatchShare")
        batch = len(probe) if share is None else share.total
        pairs = batch, batch if gallery is None else len(gallery)
        if math.prod(pairs) < 2:
            raise ValueError(
                f"probe, gallery: got {pairs[0]} × {pairs[1]} pairs, wanted at least 2 in training "
                "mode, where the statistics are those of the pairs"
            )
        planes: tuple[Tensor, ...]
        if gallery is not None:
            planes = correlation_max(probe, gallery)[:2]
        elif share is None:
            planes = correlation_max_self(probe)[:1]
        else:
            planes = correlation_max(probe, share.gather(probe))[:1]
        # The head runs in the type of the sums: float16 maxima cost accuracy, and autocast would
        # make them so.
        with torch.autocast(probe.device.type, enabled=False):
            weight = self.fc.weight.reshape(-1)
            planes = tuple(plane.to(weight.dtype) for plane in planes)
            variance, mean = joint_variance_and_mean(planes)
            # Where the processes differ stands the weight of all of them, whose gradient is summed.
            sides = self.sides(weight if share is None else share.common(weight))
            # Each plane with its side's weights; the one of a self match with both, if they differ.
            pairings = [(planes[0], sides[0])]
            if gallery is not None or not self.symmetric:
                pairings.append((planes[-1], sides[1]))
            one_way, *other_way = (plane @ side for plane, side in pairings)  # [P, G] each
            if share is not None:
                one_way, *other_way = (share.collect(sums) for sums in (one_way, *other_way))
                variance, mean = share.pooled(variance, mean)
            back = other_way[0] if other_way else one_way
            sums = one_way + (back.T if gallery is None else back)
            count = 2 * math.prod(pairs) * self.height * self.width
            update_running(self.bn, mean, variance, count)
            scale = self.bn.weight * (variance + self.bn.eps).rsqrt()
            constant = (self.bn.bias - scale * mean) * weight.sum() + self.fc.bias
            shift = self._halves * constant
            # One channel, all numbers along the length: the layout batch_norm is fastest on.
            scores: Tensor = self.logit_bn((scale * sums + shift).reshape(1, 1, -1))
        return scores.reshape(pairs).to(compute_dtype(probe.dtype))

    def _check(self, name: str, maps: Tensor) -> None:
        sizes = self.num_features, self.height, self.width
        _arguments.maps_of_size(name, maps, sizes, "the matcher was made for")
        _arguments.same_device(name, maps, self.fc.weight, "as the matcher")

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

from qaconv_ext import _arguments, backend
from qaconv_ext.reference import compute_dtype

__all__ = [
    "CorrelationMax",
    "QAConv",
    "correlation_max",
    "match_scores",
    "pairwise_distance",
]


class CorrelationMax(NamedTuple):
    """Both maxima of the correlation of every pair of maps, and where they are."""

    over_gallery: Tensor
    """``[P, G, probe places]``: for each probe place, its best correlation with the gallery map."""
    over_probe: Tensor
    """``[P, G, gallery places]``: for each gallery place, its best with the probe map."""
    gallery_index: Tensor
    """``[P, G, probe places]`` uint8 (int16 above 256 places): the gallery place that was best."""
    probe_index: Tensor
    """``[P, G, gallery places]``: the probe place that was best."""


def correlation_max(probe: Tensor, gallery: Tensor | None = None) -> CorrelationMax:
    """Correlate every place of every probe map with every place of every gallery map; keep maxima.

    The hw × hw correlation of a pair is never stored. Sums run in float32 (float64 for float64
    inputs) and the maxima come in that type. Of equal values the lowest position wins; a NaN wins
    over everything. The gradient goes to both inputs through the winners only and is the same from
    run to run.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, places]``, float32, float64, float16 or bfloat16.
        gallery: ``[G, C, h', w']`` or ``[G, C, places']``, dtype and device as ``probe``; None
            matches ``probe`` with itself at half the work.

    Returns:
        `CorrelationMax`; empty where P or G is 0.

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    probe = _arguments.feature_maps("probe", probe)
    if gallery is not None:
        gallery = _arguments.feature_maps("gallery", gallery)
        _arguments.matching(probe, gallery)
    return CorrelationMax(*backend.ops_for(probe).correlation_max(probe, gallery))


def match_scores(
    probe: Tensor,
    gallery: Tensor,
    weight: Tensor,
    bias: Tensor | float = 0.0,
    *,
    gallery_weight: Tensor | None = None,
) -> Tensor:
    """The weighed sum of both maxima of every pair, fused: nothing per place reaches memory.

    ``score[p, g] = Σ_s weight[s]·max_r S + Σ_r gallery_weight[r]·max_s S + bias`` with
    ``S[s, r] = <probe[p, :, s], gallery[g, :, r]>``. The bits of a pair's score do not depend on
    the other pairs nor on the number of threads.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, places]``, float32, float64, float16 or bfloat16.
        gallery: ``[G, C, h', w']`` or ``[G, C, places']``, dtype and device as ``probe``.
        weight: ``[places]``, any floating type; used in the type of the sums.
        bias: a number, or a tensor of one.
        gallery_weight: ``[places']``; by default ``weight``, which needs maps of equal size.

    Returns:
        ``[P, G]`` float32 (float64 for float64 inputs).

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    probe = _arguments.feature_maps("probe", probe)
    gallery = _arguments.feature_maps("gallery", gallery)
    _arguments.matching(probe, gallery)
    dtype = compute_dtype(probe.dtype)
    if gallery_weight is None:
        if gallery.shape[2] != probe.shape[2]:
            raise ValueError(
                f"gallery_weight: got None, wanted {gallery.shape[2]} numbers: the maps differ in "
                f"size (probe has {probe.shape[2]} places), so weight cannot serve both"
            )
        gallery_weight = weight
    weight = _arguments.vector("weight", weight, probe.shape[2], probe, dtype)
    gallery_weight = _arguments.vector(
        "gallery_weight", gallery_weight, gallery.shape[2], probe, dtype
    )
    return backend.ops_for(probe).match_scores(
        probe, gallery, weight, gallery_weight, _as_bias(bias, probe, dtype)
    )


def pairwise_distance(features: Tensor, weight: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Minus the score of every map with every other and with itself.

    Equal to ``-match_scores(features, features, weight, bias)`` bit for bit, at half the work: the
    score is symmetric, so one triangle is computed and mirrored.

    Args:
        features: ``[N, C, h, w]`` or ``[N, C, places]``, float32, float64, float16 or bfloat16.
        weight: ``[places]``, any floating type.
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
    return backend.ops_for(features).pairwise_distance(
        features, weight, _as_bias(bias, features, dtype)
    )


def _as_bias(bias: Tensor | float, like: Tensor, dtype: torch.dtype) -> Tensor:
    if isinstance(bias, Tensor):
        return _arguments.vector("bias", bias, 1, like, dtype)
    return torch.full((1,), float(bias), dtype=dtype, device=like.device)


class QAConv(nn.Module):
    """The QAConv matcher with its head: batch norm, one weight per place, batch norm.

    Parameters and buffers carry the names and shapes of the authors' checkpoints (``bn``, ``fc``,
    ``logit_bn``), so their ``state_dict`` loads unchanged. In training mode both batch norms use
    the statistics of every pair of the call; in evaluation mode all that follows the maxima is one
    affine map, folded in float64, and the scores come from the fused kernel.

    Args:
        num_features: channels C of the feature maps.
        height: rows of the feature maps.
        width: columns of the feature maps.
    """

    def __init__(self, num_features: int, height: int, width: int) -> None:
        super().__init__()
        for name, value in (("num_features", num_features), ("height", height), ("width", width)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: got {value!r}, wanted a positive whole number")
        self.num_features = num_features
        self.height = height
        self.width = width
        self.bn = nn.BatchNorm1d(1)
        self.fc = nn.Linear(height * width, 1)
        self.logit_bn = nn.BatchNorm1d(1)
        self.reset_parameters()

    def extra_repr(self) -> str:
        """The sizes, for ``print(matcher)``."""
        return f"num_features={self.num_features}, height={self.height}, width={self.width}"

    def reset_parameters(self) -> None:
        """Start as the plain mean of the maxima: every place weighs 1 / (height · width)."""
        self.bn.reset_parameters()
        self.logit_bn.reset_parameters()
        nn.init.constant_(self.fc.weight, 1.0 / (self.height * self.width))
        nn.init.zeros_(self.fc.bias)

    def forward(self, probe: Tensor, gallery: Tensor | None = None) -> Tensor:
        """Scores of every pair, higher for more alike.

        Args:
            probe: ``[P, C, height, width]``, each place an L2-normalised vector of C channels.
            gallery: ``[G, C, height, width]``; None matches ``probe`` with itself at half the work.

        Returns:
            ``[P, G]`` float32 (float64 for float64 inputs).

        Raises:
            TypeError, ValueError: a map's type or shape is not the one of this matcher.
        """
        self._check("probe", probe)
        if gallery is not None:
            self._check("gallery", gallery)
        if self.bn.training != self.logit_bn.training:
            raise RuntimeError("bn and logit_bn: got one in training mode and one in evaluation")
        if self.bn.training:
            return self._scores_by_batch_statistics(probe, gallery)
        weight, bias = self.folded()
        if gallery is None:
            return -pairwise_distance(probe, weight, bias)
        return match_scores(probe, gallery, weight, bias)

    def folded(self) -> tuple[Tensor, Tensor]:
        """The evaluation-mode head as one affine map of the maxima.

        Returns:
            ``weight [height·width]`` and ``bias [1]`` in float64, differentiable, with
            ``score = Σ_s weight[s]·(over_gallery[s] + over_probe[s]) + bias``.
        """
        scale, shift = _affine(self.bn)
        logit_scale, logit_shift = _affine(self.logit_bn)
        fc_weight = self.fc.weight.double().reshape(-1)
        fc_bias = self.fc.bias.double()
        weight = logit_scale * scale * fc_weight
        # The shift of bn and the bias of fc come once per half, hence twice.
        bias = logit_scale * 2 * (shift * fc_weight.sum() + fc_bias) + logit_shift
        return weight, bias

    def _scores_by_batch_statistics(self, probe: Tensor, gallery: Tensor | None) -> Tensor:
        """The training-mode scores, from both maxima of every pair and no copy of them.

        Both norms and the weights are linear in the maxima, so a pair needs only its weighed sum
        ``Σ_s w_s·(over_gallery_s + over_probe_s)``, and all pairs together one mean and variance.
        In a self match the second plane of maxima is the first with the pairs turned round: it
        is not read at all.
        """
        maxima = correlation_max(probe, gallery)
        pairs = maxima.over_gallery.shape[:2]  # [P, G]
        if math.prod(pairs) < 2:
            raise ValueError(
                f"probe, gallery: got {pairs[0]} × {pairs[1]} pairs, wanted at least 2 in training "
                "mode, where the statistics are those of the pairs"
            )
        # The head runs in the type of the sums: float16 maxima cost accuracy, and autocast would
        # make them so.
        with torch.autocast(probe.device.type, enabled=False):
            dtype = self.fc.weight.dtype
            one_way = maxima.over_gallery.to(dtype)
            weight = self.fc.weight.reshape(-1)
            if gallery is None:
                sums = one_way @ weight  # [P, P]
                sums = sums + sums.T
                variance, mean = torch.var_mean(one_way, correction=0)
            else:
                other_way = maxima.over_probe.to(dtype)
                sums = one_way @ weight + other_way @ weight
                variance, mean = _joint_variance_and_mean(one_way, other_way)
            _update_running(self.bn, mean, variance, 2 * maxima.over_gallery.numel())
            scale = self.bn.weight * (variance + self.bn.eps).rsqrt()
            # The shift of bn and the bias of fc come once per half, hence twice.
            shift = 2 * ((self.bn.bias - scale * mean) * weight.sum() + self.fc.bias)
            # One channel, all numbers along the length: the layout batch_norm is quickest on.
            scores: Tensor = self.logit_bn((scale * sums + shift).reshape(1, 1, -1))
        return scores.reshape(pairs).to(maxima.over_gallery.dtype)

    def _check(self, name: str, maps: Tensor) -> None:
        wanted = (self.num_features, self.height, self.width)
        if not isinstance(maps, Tensor):
            raise TypeError(f"{name}: got {type(maps).__name__}, wanted a torch.Tensor")
        if maps.dim() != 4 or tuple(maps.shape[1:]) != wanted:
            raise ValueError(
                f"{name}: got shape {list(maps.shape)}, "
                f"wanted [N, {wanted[0]}, {wanted[1]}, {wanted[2]}] as the matcher was made for"
            )


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """The scale and the shift of a one-channel batch norm in evaluation mode, ``[1]`` float64."""
    if norm.running_mean is None or norm.running_var is None:
        raise RuntimeError("batch norm: got no running statistics, wanted them for evaluation mode")
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - scale * norm.running_mean.double()


def _joint_variance_and_mean(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Biased variance and mean of two equally many sets of numbers taken together."""
    variance_a, mean_a = torch.var_mean(a, correction=0)
    variance_b, mean_b = torch.var_mean(b, correction=0)
    mean = (mean_a + mean_b) / 2
    return (variance_a + variance_b) / 2 + ((mean_a - mean_b) / 2).square(), mean


@torch.no_grad()
def _update_running(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: int) -> None:
    """What `torch.nn.BatchNorm1d` does to its running statistics in a training step.

    Args:
        norm: of one channel.
        mean: of the batch, a scalar.
        variance: of the batch, biased; the running one is unbiased.
        count: how many numbers the batch has.
    """
    if norm.running_mean is None or norm.running_var is None:
        return
    if norm.num_batches_tracked is None:
        raise RuntimeError("batch norm: got running statistics without num_batches_tracked")
    norm.num_batches_tracked.add_(1)
    # momentum None is the cumulative average
    factor: Tensor | float = (
        norm.num_batches_tracked.to(mean.dtype).reciprocal()
        if norm.momentum is None
        else norm.momentum
    )
    for running, value in (
        (norm.running_mean, mean),
        (norm.running_var, variance * (count / (count - 1))),
    ):
        running.add_((value - running) * factor)

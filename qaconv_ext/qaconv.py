"""Query-adaptive convolution: the matcher of feature maps, with its head.

Liao & Shao, *Interpretable and Generalizable Person Re-Identification with Query-Adaptive
Convolution and Temporal Lifting*, ECCV 2020 (arXiv 1904.10424), and *Graph Sampling Based Deep
Metric Learning for Generalizable Person Re-Identification*, CVPR 2022 (arXiv 2104.01546).

The functions of `qaconv_ext.functional` can be imported from here too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qaconv_ext import _arguments, _checks
from qaconv_ext._batch_norm import affine, joint_variance_and_mean, update_running
from qaconv_ext._fold import Fold, FoldCache
from qaconv_ext._share import BatchShare
from qaconv_ext.functional import (
    CorrelationMax,
    NearestMatches,
    correlation_max,
    correlation_max_self,
    match_scores,
    nearest_matches,
    pairwise_distance,
)
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


class QAConv(nn.Module):
    """The QAConv matcher with its head: batch norm, one weight per location, batch norm.

    Parameters and buffers carry the names and shapes of the authors' checkpoints (``bn``, ``fc``,
    ``logit_bn``), so their ``state_dict`` loads unchanged. In training mode both batch norms use
    the statistics of every pair of the call; in evaluation mode all that follows the maxima is one
    affine map, folded in float64, and the scores come from the fused kernel.

    Where no gradient is wanted, the folded head is kept until a parameter or a buffer changes.
    Changes that torch does not count (through ``.data`` or NumPy, by another process, by a CUDA
    graph that is replayed) are seen after the next ``eval()`` or ``train()``.

    Args:
        num_features: channels C of the feature maps.
        height: rows of the feature maps.
        width: columns of the feature maps.
        separate_weights: a weight for each location of either side, ``2·height·width`` in all, from
            a random start, as the authors' releases before 2.1 had it. The score is then no longer
            the same with the sides exchanged, and a self match takes all pairs.
        device: of the parameters and buffers; None for torch's default.
        dtype: of the parameters and buffers, floating; None for torch's default.

    Raises:
        TypeError, ValueError: an argument is not one of the above.
    """

    def __init__(
        self,
        num_features: int,
        height: int,
        width: int,
        *,
        separate_weights: bool = False,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_features = _checks.whole_number("num_features", num_features, 1)
        self.height = _checks.whole_number("height", height, 1)
        self.width = _checks.whole_number("width", width, 1)
        self.separate_weights = _checks.truth("separate_weights", separate_weights)
        factory = _arguments.factory(device, dtype)
        weights = self.height * self.width * (2 if self.separate_weights else 1)
        self.bn = nn.BatchNorm1d(1, **factory)
        self.fc = nn.Linear(weights, 1, **factory)
        self.logit_bn = nn.BatchNorm1d(1, **factory)
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
    ) -> NearestMatches[Tensor]:
        """The k best matches of every probe, by the evaluation-mode scores whatever the mode.

        See `qaconv_ext.functional.nearest_matches`; the maps are checked as by `forward`.

        Raises:
            TypeError, ValueError: an argument's type, shape or range is not the one wanted; or a
                self match of a matcher with separate weights, which takes each pair once only.
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
        """Set the mode, as `torch.nn.Module.train` does; a folded head that was kept is dropped."""
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

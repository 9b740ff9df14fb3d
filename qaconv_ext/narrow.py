"""Scores whose winners are found by narrow products: for evaluation, faster on some processors.

A score is a weighted sum of maxima, one for each location. The winner, that is the location whose
correlation is the maximum, is found on maps rounded to bfloat16 or int8: some processors multiply
two or four times as many of these numbers at a time as of float32. The correlations of the winners
are then computed in float32. So a score differs from that of `qaconv_ext.functional.match_scores`
only where two locations nearly tie, and by at most their difference (docs/algorithm.md has the
bound).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from qaconv_ext import _arguments, _checks, backend
from qaconv_ext._library import LIBRARY
from qaconv_ext.qaconv import QAConv
from qaconv_ext.reference import BFLOAT16, INT8

__all__ = ["MAX_CHANNELS", "NarrowQAConv", "Precision", "match_scores_narrow", "why_slow"]

Precision = Literal["bfloat16", "int8"]

#: Above it a sum of bytes and a position may not fit 32 bits (csrc/core/narrow.h).
MAX_CHANNELS = 1 << 14

_CODES = {"bfloat16": BFLOAT16, "int8": INT8}
_WANTED = {"bfloat16": "AVX512_BF16", "int8": "AVX512_VNNI"}


def why_slow(precision: Precision, device: str = "cpu") -> str:
    """Why narrow products would not be faster here than float32's; empty where they are.

    Raises:
        ValueError: there is no such precision.
    """
    code = _code(precision)
    if device != "cpu":
        return f"narrow products are for the CPU and not for {device}"
    if not LIBRARY.loaded:
        return LIBRARY.reason
    if torch.ops.qaconv.narrow_variant(code) != "scalar":
        return ""
    level = backend.simd_level()
    if level != "avx512":
        return f"{precision} wants AVX-512 with {_WANTED[precision]}, the kernels use {level}"
    return f"this processor has no {_WANTED[precision]}"


def match_scores_narrow(
    probe: Tensor,
    gallery: Tensor,
    weight: Tensor,
    bias: Tensor | float = 0.0,
    *,
    precision: Precision,
    gallery_weight: Tensor | None = None,
) -> Tensor:
    """`qaconv_ext.functional.match_scores`, its winners found in ``precision``.

    The scores of (p, g) and (g, p) have the same bits where both sides have the same weights, and
    they depend on no other pair. Where `why_slow` says something, this is slower than
    `match_scores`. There is no gradient.

    Args:
        probe: ``[P, C, h, w]`` or ``[P, C, locations]``, float32, float16 or bfloat16, on the CPU;
            C up to `MAX_CHANNELS`.
        gallery: ``[G, C, h', w']`` or ``[G, C, locations']``, dtype and device as ``probe``.
        weight: ``[locations]``, any floating type; used in float32.
        bias: a number, or a tensor of one.
        precision: ``bfloat16``, or ``int8`` with a scale for each map.
        gallery_weight: ``[locations']``; by default ``weight``, which needs maps of equal size.

    Returns:
        ``[P, G]`` float32.

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
        RuntimeError: a gradient is wanted.
    """
    code, given = _code(precision), (probe, gallery)
    probe = _arguments.feature_maps("probe", probe)
    gallery = _arguments.feature_maps("gallery", gallery)
    _arguments.matching(probe, gallery)
    if probe.dtype == torch.float64:
        raise TypeError(f"probe: got dtype {probe.dtype}, wanted float32, float16 or bfloat16")
    if probe.shape[1] > MAX_CHANNELS:
        raise ValueError(f"probe: got {probe.shape[1]} channels, wanted at most {MAX_CHANNELS}")
    if gallery_weight is None:
        _checks.one_weight(given[0].shape, given[1].shape)
        gallery_weight = weight
    weight = _arguments.vector("weight", weight, probe.shape[2], probe, torch.float32)
    gallery_weight = _arguments.vector(
        "gallery_weight", gallery_weight, gallery.shape[2], probe, torch.float32
    )
    bias = _arguments.bias(bias, probe, torch.float32)
    tensors = probe, gallery, weight, gallery_weight, bias
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise RuntimeError(
            "match_scores_narrow: got an argument that wants a gradient, wanted none (or "
            "torch.no_grad()); match_scores has a gradient"
        )
    operators = backend.ops_for(probe)
    if operators is backend.KERNELS and probe.device.type not in ("cpu", "meta"):
        raise ValueError(f"probe: got a tensor on {probe.device}, wanted the CPU")
    return operators.match_scores_narrow(*tensors, code)


class NarrowQAConv(nn.Module):
    """A matcher in evaluation mode whose winners are found in a narrow precision.

    Args:
        matcher: used as it is and not copied: where it changes, so do the scores.
        precision: ``bfloat16`` or ``int8``.

    Raises:
        ValueError: there is no such precision.
    """

    def __init__(self, matcher: QAConv, precision: Precision) -> None:
        super().__init__()
        _code(precision)
        self.matcher = matcher
        self.precision = precision

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """Scores ``[P, G]`` float32 of maps ``[P, C, h, w]`` and ``[G, C, h, w]``, on the CPU.

        Raises:
            RuntimeError: the matcher is in training mode.
        """
        if self.matcher.training:
            raise RuntimeError(
                f"precision {self.precision}: got a matcher in training mode, wanted evaluation"
            )
        both, bias = self.matcher.folded()
        weight, gallery_weight = self.matcher.sides(both)
        return match_scores_narrow(
            probe,
            gallery,
            weight,
            bias,
            precision=self.precision,
            gallery_weight=gallery_weight,
        )


def _code(precision: str) -> int:
    return _CODES[_checks.choice("precision", precision, _CODES)]

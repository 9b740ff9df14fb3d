"""match_scores: the forward is fused, the derivatives go through correlation_max."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.correlation_max import gradients, tangents_of_both
from qaconv_ext._registration.derivatives import register_derivatives, sum_over_pairs, total
from qaconv_ext.reference import compute_dtype


@torch.library.register_fake("qaconv::match_scores")  # type: ignore[untyped-decorator]
def _fake(
    probe: Tensor, gallery: Tensor, probe_weight: Tensor, gallery_weight: Tensor, bias: Tensor
) -> Tensor:
    return probe.new_empty((probe.shape[0], gallery.shape[0]), dtype=compute_dtype(probe.dtype))


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.save_for_forward(*inputs[:4])


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    probe, gallery, probe_weight, gallery_weight = ctx.saved_tensors
    # The forward kept no maxima (P·G·hw numbers): computing them again costs one more forward.
    over_gallery, over_probe, *indices = torch.ops.qaconv.correlation_max(probe, gallery)
    need = ctx.needs_input_grad[1:]
    grad_probe = grad_gallery = None
    if need[0] or need[1]:
        grad_probe, grad_gallery = gradients(
            (grad[..., None] * probe_weight, grad[..., None] * gallery_weight),
            (probe, gallery),
            indices,
            need,
        )
    return (
        grad_probe,
        grad_gallery,
        sum_over_pairs(grad, over_gallery) if need[2] else None,
        sum_over_pairs(grad, over_probe) if need[3] else None,
        grad.sum().reshape(1) if need[4] else None,
    )


def _jvp(ctx: Any, kept: tuple[Tensor, ...], *tangents: Tensor | None) -> Tensor | None:
    probe, gallery, *weights = kept
    *maxima, gallery_index, probe_index = torch.ops.qaconv.correlation_max(probe, gallery)
    *of_maps, of_probe_weight, of_gallery_weight, of_bias = tangents
    of_maxima = tangents_of_both((probe, gallery), tuple(of_maps), (gallery_index, probe_index))
    products = [
        *zip(of_maxima, weights, strict=True),
        *zip(maxima, (of_probe_weight, of_gallery_weight), strict=True),
    ]
    terms = (a @ b for a, b in products if a is not None and b is not None)
    # Expanded: of a bias alone the tangent would be one number.
    shape = len(probe), len(gallery)
    return total(*terms, None if of_bias is None else of_bias.expand(shape))


register_derivatives("match_scores", _setup_context, _backward, _jvp)
cast_maps_on_cuda("match_scores", maps=2)

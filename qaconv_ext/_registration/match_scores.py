"""match_scores: the forward is fused, the backward goes through correlation_max."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.correlation_max import gradients
from qaconv_ext.reference import compute_dtype


@torch.library.register_fake("qaconv::match_scores")  # type: ignore[untyped-decorator]
def _fake(
    probe: Tensor, gallery: Tensor, probe_weight: Tensor, gallery_weight: Tensor, bias: Tensor
) -> Tensor:
    return probe.new_empty((probe.shape[0], gallery.shape[0]), dtype=compute_dtype(probe.dtype))


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    probe, gallery, probe_weight, gallery_weight, _ = inputs
    ctx.save_for_backward(probe, gallery, probe_weight, gallery_weight)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    probe, gallery, probe_weight, gallery_weight = ctx.saved_tensors
    # The forward kept no maxima (P·G·hw numbers): computing them again costs one more forward.
    over_gallery, over_probe, *indices = torch.ops.qaconv.correlation_max(probe, gallery)
    need = ctx.needs_input_grad
    grad_probe = grad_gallery = None
    if need[0] or need[1]:
        grad_probe, grad_gallery = gradients(
            (grad[..., None] * probe_weight, grad[..., None] * gallery_weight),
            (probe, gallery),
            (indices[0], indices[1]),
            need,
        )
    return (
        grad_probe,
        grad_gallery,
        torch.einsum("pg,pgs->s", grad, over_gallery) if need[2] else None,
        torch.einsum("pg,pgr->r", grad, over_probe) if need[3] else None,
        grad.sum().reshape(1) if need[4] else None,
    )


torch.library.register_autograd("qaconv::match_scores", _backward, setup_context=_setup_context)
cast_maps_on_cuda("match_scores", maps=2)

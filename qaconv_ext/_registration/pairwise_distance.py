"""pairwise_distance: the forward is fused, the backward goes through correlation_max_self."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.correlation_max_self import gradient
from qaconv_ext.reference import compute_dtype


@torch.library.register_fake("qaconv::pairwise_distance")  # type: ignore[untyped-decorator]
def _fake(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    count = features.shape[0]
    return features.new_empty((count, count), dtype=compute_dtype(features.dtype))


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    features, weight, _ = inputs
    ctx.save_for_backward(features, weight)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    features, weight = ctx.saved_tensors
    maxima, index = torch.ops.qaconv.correlation_max_self(features)
    need = ctx.needs_input_grad
    # The score of a pair sums the maxima of (i, j) and of (j, i); the distance is minus the score.
    both = -(grad + grad.T)
    return (
        gradient(both[..., None] * weight, features, index) if need[0] else None,
        torch.einsum("pg,pgs->s", both, maxima) if need[1] else None,
        -grad.sum().reshape(1) if need[2] else None,
    )


torch.library.register_autograd(
    "qaconv::pairwise_distance", _backward, setup_context=_setup_context
)
cast_maps_on_cuda("pairwise_distance", maps=1)

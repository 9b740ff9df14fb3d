"""pairwise_distance: the forward is fused, the derivatives go through correlation_max_self."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.correlation_max_self import gradient
from qaconv_ext._registration.derivatives import (
    register_derivatives,
    sum_over_pairs,
    tangent_of_maxima,
    total,
)
from qaconv_ext.reference import compute_dtype


@torch.library.register_fake("qaconv::pairwise_distance")  # type: ignore[untyped-decorator]
def _fake(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    count = features.shape[0]
    return features.new_empty((count, count), dtype=compute_dtype(features.dtype))


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.save_for_forward(*inputs[:2])


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    features, weight = ctx.saved_tensors
    maxima, index = torch.ops.qaconv.correlation_max_self(features)
    need = ctx.needs_input_grad[1:]
    # The score of a pair sums the maxima of (i, j) and of (j, i); the distance is minus the score.
    both = -(grad + grad.T)
    return (
        gradient(both[..., None] * weight, features, index) if need[0] else None,
        sum_over_pairs(both, maxima) if need[1] else None,
        -grad.sum().reshape(1) if need[2] else None,
    )


def _jvp(
    ctx: Any,
    kept: tuple[Tensor, ...],
    of_features: Tensor | None,
    of_weight: Tensor | None,
    of_bias: Tensor | None,
) -> Tensor | None:
    features, weight = kept
    maxima, index = torch.ops.qaconv.correlation_max_self(features)
    of_maxima = tangent_of_maxima(features, features, (of_features, of_features), index)
    one_way = total(
        None if of_maxima is None else of_maxima @ weight,
        None if of_weight is None else maxima @ of_weight,
    )
    return total(
        None if one_way is None else -(one_way + one_way.T),
        None if of_bias is None else -of_bias.expand(len(features), len(features)),
    )


register_derivatives("pairwise_distance", _setup_context, _backward, _jvp)
cast_maps_on_cuda("pairwise_distance", maps=1)

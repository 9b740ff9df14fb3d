"""correlation_max_self and its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.derivatives import register_derivatives, tangent_of_maxima, total
from qaconv_ext.reference import compute_dtype, index_dtype


@torch.library.register_fake("qaconv::correlation_max_self")  # type: ignore[untyped-decorator]
def _fake(features: Tensor) -> tuple[Tensor, Tensor]:
    count, _, locations = features.shape
    return (
        features.new_empty((count, count, locations), dtype=compute_dtype(features.dtype)),
        features.new_empty((count, count, locations), dtype=index_dtype(locations)),
    )


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], output[1])
    ctx.save_for_forward(inputs[0], output[1])


def _backward(ctx: Any, grad_maxima: Tensor, _: Any) -> tuple[Tensor]:
    features, index = ctx.saved_tensors
    return (gradient(grad_maxima, features, index),)


def _jvp(ctx: Any, kept: tuple[Tensor, ...], tangent: Tensor | None) -> tuple[Tensor | None, None]:
    features, index = kept
    return tangent_of_maxima(features, features, (tangent, tangent), index), None


def gradient(grad_maxima: Tensor, features: Tensor, index: Tensor) -> Tensor:
    """The gradient to the maps, in their own type."""
    result: Tensor = torch.ops.qaconv.correlation_max_self_backward(
        grad_maxima.contiguous(), features, index
    )
    return result.to(features.dtype)


@torch.library.register_fake("qaconv::correlation_max_self_backward")  # type: ignore[untyped-decorator]
def _fake_backward(grad_maxima: Tensor, features: Tensor, index: Tensor) -> Tensor:
    return features.new_empty(features.shape, dtype=compute_dtype(features.dtype))


def _setup_backward(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)
    ctx.save_for_forward(*inputs)


def _backward_of_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad_maxima, features, index = ctx.saved_tensors
    _, want_maxima, want_features, _ = ctx.needs_input_grad
    return (
        tangent_of_maxima(features, features, (grad, grad), index) if want_maxima else None,
        # Linear in the maps, and its own transpose.
        gradient(grad_maxima, grad, index).to(features.dtype) if want_features else None,
        None,
    )


def _jvp_of_backward(
    ctx: Any,
    kept: tuple[Tensor, ...],
    of_maxima: Tensor | None,
    of_features: Tensor | None,
    _: None,
) -> Tensor | None:
    grad_maxima, features, index = kept
    dtype = grad_maxima.dtype
    return total(
        None if of_maxima is None else gradient(of_maxima, features, index).to(dtype),
        None if of_features is None else gradient(grad_maxima, of_features, index).to(dtype),
    )


register_derivatives("correlation_max_self", _setup_context, _backward, _jvp)
register_derivatives(
    "correlation_max_self_backward", _setup_backward, _backward_of_backward, _jvp_of_backward
)
cast_maps_on_cuda("correlation_max_self", maps=1)

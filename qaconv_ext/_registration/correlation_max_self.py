"""correlation_max_self and its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.correlation_max import no_second_derivative
from qaconv_ext.reference import compute_dtype, index_dtype


@torch.library.register_fake("qaconv::correlation_max_self")  # type: ignore[untyped-decorator]
def _fake(features: Tensor) -> tuple[Tensor, Tensor]:
    count, _, places = features.shape
    return (
        features.new_empty((count, count, places), dtype=compute_dtype(features.dtype)),
        features.new_empty((count, count, places), dtype=index_dtype(places)),
    )


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], output[1])


def _backward(ctx: Any, grad_maxima: Tensor, _: Any) -> Tensor:
    features, index = ctx.saved_tensors
    return gradient(grad_maxima, features, index)


def gradient(grad_maxima: Tensor, features: Tensor, index: Tensor) -> Tensor:
    """The gradient to the maps, in their own type."""
    result: Tensor = torch.ops.qaconv.correlation_max_self_backward(
        grad_maxima.contiguous(), features, index
    )
    return result.to(features.dtype)


@torch.library.register_fake("qaconv::correlation_max_self_backward")  # type: ignore[untyped-decorator]
def _fake_backward(grad_maxima: Tensor, features: Tensor, index: Tensor) -> Tensor:
    return features.new_empty(features.shape, dtype=compute_dtype(features.dtype))


torch.library.register_autograd(
    "qaconv::correlation_max_self", _backward, setup_context=_setup_context
)
torch.library.register_autograd("qaconv::correlation_max_self_backward", no_second_derivative)
cast_maps_on_cuda("correlation_max_self", maps=1)

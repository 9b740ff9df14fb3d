"""correlation_max and its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext.reference import compute_dtype, index_dtype


@torch.library.register_fake("qaconv::correlation_max")  # type: ignore[untyped-decorator]
def _fake(probe: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    p, g, s, r = probe.shape[0], gallery.shape[0], probe.shape[2], gallery.shape[2]
    dtype = compute_dtype(probe.dtype)
    return (
        probe.new_empty((p, g, s), dtype=dtype),
        probe.new_empty((p, g, r), dtype=dtype),
        probe.new_empty((p, g, s), dtype=index_dtype(r)),
        probe.new_empty((p, g, r), dtype=index_dtype(s)),
    )


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    probe, gallery = inputs
    _, _, gallery_index, probe_index = output
    ctx.mark_non_differentiable(gallery_index, probe_index)
    ctx.save_for_backward(probe, gallery, gallery_index, probe_index)


def _backward(
    ctx: Any, grad_over_gallery: Tensor, grad_over_probe: Tensor, *_: Any
) -> tuple[Tensor | None, Tensor | None]:
    probe, gallery, gallery_index, probe_index = ctx.saved_tensors
    return gradients(
        (grad_over_gallery, grad_over_probe),
        (probe, gallery),
        (gallery_index, probe_index),
        ctx.needs_input_grad,
    )


def gradients(
    grads: tuple[Tensor, Tensor],
    maps: tuple[Tensor, Tensor],
    indices: tuple[Tensor, Tensor],
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients to both sets of maps in their own type; None where not wanted."""
    dtype = maps[0].dtype
    grad_probe, grad_gallery = torch.ops.qaconv.correlation_max_backward(
        grads[0].contiguous(), grads[1].contiguous(), *maps, *indices, wanted[0], wanted[1]
    )
    return (
        grad_probe.to(dtype) if wanted[0] else None,
        grad_gallery.to(dtype) if wanted[1] else None,
    )


@torch.library.register_fake("qaconv::correlation_max_backward")  # type: ignore[untyped-decorator]
def _fake_backward(
    grad_over_gallery: Tensor,
    grad_over_probe: Tensor,
    probe: Tensor,
    gallery: Tensor,
    gallery_index: Tensor,
    probe_index: Tensor,
    want_probe: bool,
    want_gallery: bool,
) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(probe.dtype)
    return (
        probe.new_empty((probe.shape[0] if want_probe else 0, *probe.shape[1:]), dtype=dtype),
        gallery.new_empty(
            (gallery.shape[0] if want_gallery else 0, *gallery.shape[1:]), dtype=dtype
        ),
    )


def no_second_derivative(ctx: Any, *_: Any) -> None:
    """The backward of a backward: says that there is none."""
    raise NotImplementedError("qaconv_ext: correlation_max has no second derivative")


torch.library.register_autograd("qaconv::correlation_max", _backward, setup_context=_setup_context)
# Without this, asking for one would give none, silently.
torch.library.register_autograd("qaconv::correlation_max_backward", no_second_derivative)
cast_maps_on_cuda("correlation_max", maps=2)

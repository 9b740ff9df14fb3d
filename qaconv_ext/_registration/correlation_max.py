"""correlation_max and its backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext.reference import compute_dtype, index_dtype


@torch.library.register_fake("qaconv::correlation_max")  # type: ignore[untyped-decorator]
def _fake(probe: Tensor, gallery: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    other = probe if gallery is None else gallery
    p, g, s, r = probe.shape[0], other.shape[0], probe.shape[2], other.shape[2]
    dtype = compute_dtype(probe.dtype)
    return (
        probe.new_empty((p, g, s), dtype=dtype),
        probe.new_empty((p, g, r), dtype=dtype),
        probe.new_empty((p, g, s), dtype=index_dtype(r)),
        probe.new_empty((p, g, r), dtype=index_dtype(s)),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    probe, gallery = inputs
    _, _, gallery_index, probe_index = output
    ctx.mark_non_differentiable(gallery_index, probe_index)
    ctx.self_match = gallery is None
    ctx.save_for_backward(probe, probe if gallery is None else gallery, gallery_index, probe_index)


def _backward(
    ctx: Any, grad_over_gallery: Tensor, grad_over_probe: Tensor, *_: Any
) -> tuple[Tensor | None, Tensor | None]:
    probe, gallery, gallery_index, probe_index = ctx.saved_tensors
    return gradients(
        grad_over_gallery,
        grad_over_probe,
        (probe, None if ctx.self_match else gallery),
        (gallery_index, probe_index),
        (ctx.needs_input_grad[0], not ctx.self_match and ctx.needs_input_grad[1]),
    )


def gradients(
    grad_over_gallery: Tensor,
    grad_over_probe: Tensor,
    maps: tuple[Tensor, Tensor | None],
    indices: tuple[Tensor, Tensor],
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients to the maps in their own types; gallery None is a self match."""
    probe, gallery = maps
    self_match = gallery is None
    want_probe, want_gallery = wanted
    grad_probe, grad_gallery = torch.ops.qaconv.correlation_max_backward(
        grad_over_gallery.contiguous(),
        grad_over_probe.contiguous(),
        probe,
        probe if gallery is None else gallery,
        *indices,
        want_probe,
        want_probe if self_match else want_gallery,
    )
    if self_match:
        return (grad_probe + grad_gallery).to(probe.dtype) if want_probe else None, None
    return (
        grad_probe.to(probe.dtype) if want_probe else None,
        grad_gallery.to(probe.dtype) if want_gallery else None,
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


def _no_second_derivative(ctx: Any, *_: Any) -> None:
    raise NotImplementedError("qaconv_ext: correlation_max has no second derivative")


torch.library.register_autograd("qaconv::correlation_max", _backward, setup_context=_setup_context)
# Without this, asking for one would give none, silently.
torch.library.register_autograd("qaconv::correlation_max_backward", _no_second_derivative)
cast_maps_on_cuda("correlation_max", maps=2)

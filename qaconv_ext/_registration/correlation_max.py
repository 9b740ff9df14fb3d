"""correlation_max and its backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.autocast import cast_maps_on_cuda
from qaconv_ext._registration.derivatives import (
    Tangents,
    register_derivatives,
    tangent_of_maxima,
    total,
)
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
    ctx.save_for_forward(probe, gallery, gallery_index, probe_index)


def _backward(
    ctx: Any, grad_over_gallery: Tensor, grad_over_probe: Tensor, *_: Any
) -> tuple[Tensor | None, Tensor | None]:
    probe, gallery, *indices = ctx.saved_tensors
    grads = grad_over_gallery, grad_over_probe
    return gradients(grads, (probe, gallery), indices, ctx.needs_input_grad[1:])


def _jvp(ctx: Any, kept: tuple[Tensor, ...], *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
    probe, gallery, *indices = kept
    return *tangents_of_both((probe, gallery), tangents, indices), None, None


def gradients(
    grads: tuple[Tensor, Tensor],
    maps: tuple[Tensor, Tensor],
    indices: Sequence[Tensor],
    wanted: Sequence[bool],
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


def tangents_of_both(
    maps: tuple[Tensor, Tensor], tangents: Tangents, indices: Sequence[Tensor]
) -> tuple[Tensor | None, Tensor | None]:
    """The tangents of both maxima; None where neither set of maps has one."""
    over_gallery = tangent_of_maxima(*maps, tangents, indices[0])
    # The same with probe and gallery in each other's place.
    other_way = maps[1], maps[0], (tangents[1], tangents[0]), indices[1].transpose(0, 1)
    over_probe = tangent_of_maxima(*other_way)
    return over_gallery, None if over_probe is None else over_probe.transpose(0, 1)


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


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, want_probe, want_gallery = inputs
    ctx.wanted = want_probe, want_gallery
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _backward_of_backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    """Of ``u·at_winners(v, gallery) + u·at_winners(probe, w)``, v and w being ``grads``."""
    *planes, probe, gallery, gallery_index, probe_index = ctx.saved_tensors
    (over_gallery, over_probe), indices = planes, (gallery_index, probe_index)
    need, tangents = ctx.needs_input_grad[1:], _where(ctx.wanted, grads)
    grad_planes: Tangents = (None, None)
    if need[0] or need[1]:
        grad_planes = tangents_of_both((probe, gallery), tangents, indices)
    grad_maps = _with_other_maps(
        (over_gallery, over_probe), (probe, gallery), tangents, indices, need[2:4]
    )
    return *grad_planes, *grad_maps, None, None, None, None


def _jvp_of_backward(
    ctx: Any, kept: tuple[Tensor, ...], *tangents: Tensor | None
) -> tuple[Tensor | None, ...]:
    *planes, probe, gallery, gallery_index, probe_index = kept
    (over_gallery, over_probe), indices = planes, (gallery_index, probe_index)
    of_planes: Tangents = (None, None)
    if tangents[0] is not None or tangents[1] is not None:
        u = [
            torch.zeros_like(plane) if tangent is None else tangent
            for plane, tangent in zip(planes, tangents, strict=False)
        ]
        of_planes = gradients((u[0], u[1]), (probe, gallery), indices, ctx.wanted)
    of_maps = _with_other_maps(
        (over_gallery, over_probe), (probe, gallery), tangents[2:4], indices, ctx.wanted
    )
    dtype, whole = over_gallery.dtype, []
    for maps, wanted, *terms in zip((probe, gallery), ctx.wanted, of_planes, of_maps, strict=True):
        tangent = total(*terms)
        empty = maps.new_zeros((len(maps) if wanted else 0, *maps.shape[1:]))
        whole.append((empty if tangent is None else tangent).to(dtype))
    return tuple(whole)


def _with_other_maps(
    planes: tuple[Tensor, Tensor],
    maps: tuple[Tensor, Tensor],
    others: Tangents,
    indices: Sequence[Tensor],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """`gradients` as if the maps were ``others``: the one to a set needs the other set."""
    wanted = wanted[0] and others[1] is not None, wanted[1] and others[0] is not None
    if not any(wanted):
        return None, None
    dtype = planes[0].dtype
    used = [
        (own if other is None else other).to(dtype) for own, other in zip(maps, others, strict=True)
    ]
    grad_probe, grad_gallery = gradients(planes, (used[0], used[1]), indices, wanted)
    of_maps = maps[0].dtype
    return (
        None if grad_probe is None else grad_probe.to(of_maps),
        None if grad_gallery is None else grad_gallery.to(of_maps),
    )


def _where(wanted: Sequence[bool], tensors: Sequence[Tensor]) -> Tangents:
    return tuple(t if want else None for want, t in zip(wanted, tensors, strict=True))


register_derivatives("correlation_max", _setup_context, _backward, _jvp)
register_derivatives(
    "correlation_max_backward", _setup_backward, _backward_of_backward, _jvp_of_backward
)
cast_maps_on_cuda("correlation_max", maps=2)

"""The derivatives all operators share: reverse, forward, of any order, and under ``torch.func``.

An operator gives two rules, and this file registers them. `torch.library.register_autograd` would
not do: it knows no forward mode, so a tangent is dropped there without a word, and it refuses under
``torch.func``. What stands here does what the operators of torch do: it is called once for each
level of a transform, records that level's derivative, and calls the operator of the level below.
What torch has for that is private to it, the same that `torch.library` uses;
`tests/qaconv_ext/test_derivatives.py` runs all of it under whatever torch it is run on.

All of it rests on one fact: where the winners stay, the maxima are bilinear in the maps. Their
tangent is a gather at the winners (`tangent_of_maxima`), their gradient `correlation_max_backward`,
and each of these two has the other, or itself, as its derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import _C, Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from qaconv_ext.reference import compute_dtype

Tangents = tuple[Tensor | None, ...]

_implementations = torch.library.Library("qaconv", "IMPL")  # type: ignore[no-untyped-call]

#: The correlations that `_at_winners` writes out at a time, in elements.
_BLOCK = 1 << 24


def register_derivatives(
    name: str,
    setup_context: Callable[[Any, tuple[Any, ...], Any], None],
    backward: Callable[..., Any],
    jvp: Callable[..., Any],
) -> None:
    """Register the rules of the operator ``name``, and a loop for ``torch.func.vmap``.

    Args:
        name: without its namespace.
        setup_context: ``(ctx, inputs, output)``, as of `torch.autograd.Function`; what ``jvp``
            needs is kept by ``ctx.save_for_forward`` as well.
        backward: ``(ctx, *gradients)``: the gradients of all inputs.
        jvp: ``(ctx, kept, *tangents)``: the tangents of all outputs, from the tensors that were
            kept; a tangent is None where an input has none.
    """
    operator = getattr(torch.ops.qaconv, name).default

    def below(keyset: Any, *args: Any) -> Any:
        with _C._AutoDispatchBelowAutograd():
            return operator.redispatch(keyset & _C._after_autograd_keyset, *args)

    def forward(keyset: Any, *args: Any) -> Any:
        # A torch.autograd.Function turns both off, and the outer levels of torch.func need them.
        outer = _C._are_functorch_transforms_active()
        with torch.set_grad_enabled(outer), forward_ad._set_fwd_grad_enabled(outer):
            return below(keyset, *args)

    def tangents_of_outputs(ctx: Any, _: None, *tangents: Tensor | None) -> Any:
        # Off here too. What is kept has this level's tangent, which must not come in a second time.
        with forward_ad._set_fwd_grad_enabled(_C._are_functorch_transforms_active()):
            return jvp(ctx, tuple(map(_primal, ctx.saved_tensors)), *tangents)

    rule = type(
        f"{name}_derivative",
        (_SingleLevelFunction,),
        {
            "forward": staticmethod(forward),
            "setup_context": staticmethod(
                lambda ctx, inputs, output: setup_context(ctx, inputs[1:], output)
            ),
            # None for the keyset, which comes first.
            "backward": staticmethod(lambda ctx, *gradients: (None, *backward(ctx, *gradients))),
            "jvp": staticmethod(tangents_of_outputs),
        },
    )

    def dispatch(keyset: Any, *args: Any) -> Any:
        recorded = _C.is_grad_enabled() and _C._any_requires_grad(*args)
        # Tangents come only within a dual level, or a transform of torch.func.
        tangents = forward_ad._current_level >= 0 or _C._are_functorch_transforms_active()
        if not recorded and not tangents:
            return below(keyset, *args)
        with enable_single_level_autograd_function():
            return rule.apply(keyset, *args)  # type: ignore[attr-defined]

    _implementations.impl(name, dispatch, "Autograd", with_keyset=True)  # type: ignore[no-untyped-call]
    torch.library.register_vmap(operator, _loop(operator))


def _primal(tensor: Tensor) -> Tensor:
    # By its number: in a compiled transform Python is not told that a level is open.
    primal: Tensor = forward_ad.unpack_dual(tensor, level=0).primal  # type: ignore[no-untyped-call]
    return primal


def _loop(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of vmap: a call for each slice."""

    def rule(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        # Of no slices the shapes are those of one of zeros.
        slices = [
            [a] * max(1, info.batch_size)
            if dim is None
            else a.movedim(dim, 0).unbind() or [a.new_zeros(a.movedim(dim, 0).shape[1:])]
            for a, dim in zip(args, in_dims, strict=True)
        ]
        results = [operator(*inputs) for inputs in zip(*slices, strict=True)]
        if isinstance(results[0], Tensor):
            return torch.stack(results)[: info.batch_size], 0
        stacked = tuple(
            torch.stack(parts)[: info.batch_size] for parts in zip(*results, strict=True)
        )
        return stacked, (0,) * len(stacked)

    return rule


def tangent_of_maxima(
    first: Tensor, second: Tensor, tangents: Tangents, index: Tensor
) -> Tensor | None:
    """The tangent of ``maxima[i, j, s] = <first[i, :, s], second[j, :, index[i, j, s]]>``.

    Args:
        first: ``[P, C, s]``.
        second: ``[G, C, r]``.
        tangents: those of ``first`` and ``second``; None for none.
        index: ``[P, G, s]``: the winners, which stay.

    Returns:
        ``[P, G, s]`` in the type of the sums; None where there is no tangent.
    """
    terms = []
    if tangents[0] is not None:
        terms.append(_at_winners(tangents[0], second, index))
    if tangents[1] is not None:
        terms.append(_at_winners(first, tangents[1], index))
    return total(*terms)


def _at_winners(first: Tensor, second: Tensor, index: Tensor) -> Tensor:
    """The correlations at given positions, ``[P, G, s]``; torch's own functions differentiate it.

    All correlations of a block are written out and the winners taken: that is one matrix product,
    and needs less memory than the winners' vectors of all channels side by side.
    """
    dtype = compute_dtype(first.dtype)
    (_, count, locations), (_, channels, among) = index.shape, second.shape
    columns = second.to(dtype).transpose(0, 1).reshape(channels, -1)  # [C, G·r]
    size = max(1, _BLOCK // max(1, count * locations * among))
    blocks = []
    for i in range(0, max(1, len(first)), size):
        rows, where = first[i : i + size].to(dtype), index[i : i + size].long()
        products = rows.transpose(1, 2).reshape(-1, channels) @ columns  # [rows·s, G·r]
        correlations = products.reshape(len(rows), locations, count, among).transpose(1, 2)
        blocks.append(correlations.gather(3, where[..., None]).squeeze(3))  # [rows, G, s]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks)


def sum_over_pairs(grad: Tensor, maxima: Tensor) -> Tensor:
    """``Σ_pg grad[p, g]·maxima[p, g, s]``: the gradient of the weight ``[s]``."""
    # No einsum, which the vmap of torch.autograd (is_grads_batched) does not know.
    return (grad.reshape(1, -1) @ maxima.reshape(-1, maxima.shape[2])).reshape(-1)


def total(*terms: Tensor | None) -> Tensor | None:
    """The sum of those that are there; None where none is."""
    there = [term for term in terms if term is not None]
    return sum(there[1:], there[0]) if there else None

"""match_scores_narrow: of the CPU alone, so without an autocast rule; and without a derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qaconv_ext._registration.derivatives import register_derivatives


@torch.library.register_fake("qaconv::match_scores_narrow")  # type: ignore[untyped-decorator]
def _fake(
    probe: Tensor,
    gallery: Tensor,
    probe_weight: Tensor,
    gallery_weight: Tensor,
    bias: Tensor,
    precision: int,
) -> Tensor:
    return probe.new_empty((probe.shape[0], gallery.shape[0]), dtype=torch.float32)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    pass  # it keeps nothing, for it has no derivative


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    raise RuntimeError("match_scores_narrow: got a gradient, wanted none; match_scores has one")


def _jvp(ctx: Any, kept: tuple[Tensor, ...], *tangents: Tensor | None) -> Tensor | None:
    raise RuntimeError("match_scores_narrow: got a tangent, wanted none; match_scores has one")


register_derivatives("match_scores_narrow", _setup_context, _backward, _jvp)

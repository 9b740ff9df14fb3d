"""match_scores_narrow: of the CPU alone, so without an autocast rule; and without a gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    raise RuntimeError("match_scores_narrow: got a gradient, wanted none; match_scores has one")


torch.library.register_autograd("qaconv::match_scores_narrow", _backward)

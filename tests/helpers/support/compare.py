"""Comparisons with messages that say what differs."""

from __future__ import annotations

import torch
from torch import Tensor


def assert_relative(got: Tensor, truth: Tensor, tolerance: float) -> None:
    """Equal shapes, and no difference above ``tolerance`` times the largest magnitude of truth."""
    assert got.shape == truth.shape, f"shape {tuple(got.shape)}, wanted {tuple(truth.shape)}"
    if truth.numel() == 0:
        return
    got, truth = got.detach().cpu().double(), truth.detach().cpu().double()
    assert torch.isfinite(got).all(), "the result holds NaN or infinity"
    difference = (got - truth).abs().max().item()
    scale = truth.abs().max().item()
    assert difference <= tolerance * max(scale, 1e-30), (
        f"differs by {difference:.3g} where the largest is {scale:.3g}: "
        f"{difference / max(scale, 1e-30):.3g}, allowed {tolerance:.3g}"
    )


def assert_same_bits(got: Tensor, wanted: Tensor) -> None:
    """Equal shape, type and bits, NaN included."""
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    got, wanted = got.detach().cpu().contiguous(), wanted.detach().cpu().contiguous()
    assert got.numpy().tobytes() == wanted.numpy().tobytes(), (
        f"bits differ; largest difference {(got.double() - wanted.double()).abs().max():.3g}"
    )

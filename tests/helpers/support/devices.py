"""The devices op tests run on: one list, used by every parametrised test."""

from __future__ import annotations

import pytest
import torch

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ),
]
on_every_device = pytest.mark.parametrize("device", DEVICES)

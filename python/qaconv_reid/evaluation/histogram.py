"""Colour histograms of stripes: what a picture's colours alone are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qaconv_reid.data import Record, open_rgb

__all__ = ["stripe_histograms"]

#: Horizontal stripes, and bins of hue, saturation and value in each.
_STRIPES = 6
_BINS = (16, 4, 4)
_SIZE = (64, 128)


def stripe_histograms(records: Sequence[Record]) -> Tensor:
    """Histograms of hue, saturation and value in six stripes, ``[N, bins]``; each stripe sums to 1.

    Args:
        records: the images.
    """
    return torch.stack([torch.from_numpy(_histogram(open_rgb(r.path))) for r in records])


def _histogram(image: Image.Image) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    small = image.resize(_SIZE, Image.Resampling.BILINEAR).convert("HSV")
    channels = np.asarray(small, np.int64)
    number = np.zeros(channels.shape[:2], np.int64)
    for channel, bins in enumerate(_BINS):
        number = number * bins + channels[..., channel] * bins // 256
    total = int(np.prod(_BINS))
    stripes = np.array_split(number, _STRIPES)
    counts = [np.bincount(stripe.ravel(), minlength=total) / stripe.size for stripe in stripes]
    return np.concatenate(counts).astype(np.float32)

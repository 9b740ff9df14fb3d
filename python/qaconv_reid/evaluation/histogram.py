"""Colour histograms of stripes: what a picture's colours alone are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qaconv_reid.data import Record, open_rgb

__all__ = ["stripe_histograms"]

#: Horizontal stripes, and bins of each of hue, saturation and value in each stripe.
_STRIPES = 6
_BINS = 16
_SIZE = (64, 128)
#: A person stands in the middle of a picture: what is left out at either side is ground and wall,
#: of which the histogram would rather find the camera than the person.
_MARGIN = 12


def stripe_histograms(records: Sequence[Record]) -> Tensor:
    """Histograms of hue, of saturation and of value in six stripes, ``[N, 288]``; each sums to 1.

    To be compared by the sum of absolute differences. Only the middle of a picture counts.

    Args:
        records: the images.
    """
    return torch.stack([torch.from_numpy(_histogram(open_rgb(r.path))) for r in records])


def _histogram(image: Image.Image) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    small = image.resize(_SIZE, Image.Resampling.BILINEAR).convert("HSV")
    bins = np.asarray(small, np.int64)[:, _MARGIN:-_MARGIN] * _BINS // 256
    counts = [
        np.bincount(stripe[..., channel].ravel(), minlength=_BINS) / stripe[..., channel].size
        for stripe in np.array_split(bins, _STRIPES)
        for channel in range(3)
    ]
    return np.concatenate(counts).astype(np.float32)

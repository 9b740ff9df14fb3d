"""Color histograms of stripes: what an image's colors alone are worth."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qaconv_reid.data import read_image
from qaconv_reid.evaluation.baselines.baseline import Baseline, Images

__all__ = ["ColorHistogram"]

#: Horizontal stripes, and bins of each of hue, saturation and value in each stripe.
_STRIPES = 6
_BINS = 16
_SIZE = (64, 128)
#: A person stands in the middle of an image: what is left out at either side is ground and wall,
#: of which the histogram would rather find the camera than the person.
_MARGIN = 12


class ColorHistogram(Baseline):
    """Histograms of hue, of saturation and of value in six stripes; each sums to 1.

    Compared by the sum of absolute differences. Only the middle of an image counts.
    """

    name = "color histogram"
    of_maps = False

    def vectors(self, images: Images) -> Tensor:
        """The histograms of each image, ``[N, 288]`` float32.

        Raises:
            DataError: an image cannot be read.
        """
        return torch.stack([torch.from_numpy(_histogram(read_image(r))) for r in images.records])

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """The sum of absolute differences with its sign turned, ``[P, G]``."""
        return -torch.cdist(probe, gallery, p=1)


def _histogram(image: Image.Image) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    small = image.resize(_SIZE, Image.Resampling.BILINEAR).convert("HSV")
    bins = np.asarray(small, np.int64)[:, _MARGIN:-_MARGIN] * _BINS // 256
    counts = [
        np.bincount(stripe[..., channel].ravel(), minlength=_BINS) / stripe[..., channel].size
        for stripe in np.array_split(bins, _STRIPES)
        for channel in range(3)
    ]
    return np.concatenate(counts).astype(np.float32)

"""What all baselines have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qaconv_reid.data import Record

__all__ = ["Baseline", "CosineOfMaps", "Images"]

_BLOCK = 1024


class Images(NamedTuple):
    """What a baseline may look at: N images, and a network's maps of them."""

    records: Sequence[Record]
    maps: Tensor | None = None
    """``[N, C, h, w]``; None where there is no network."""


class Baseline(nn.Module, ABC):
    """A matcher that knows one vector an image.

    ``baseline(probe, gallery)`` takes vectors ``[P, D]`` and ``[G, D]`` to scores ``[P, G]``, so
    that `score_blocks` takes it as it takes a matcher of maps.
    """

    name: str
    """As tables call it."""
    of_maps: bool
    """Whether it is of a network's maps; else it is of the images alone."""

    def tells_apart(self, rows: int) -> bool:
        """Whether on maps of so many rows it is another one than those before it in the list."""
        return True

    @abstractmethod
    def vectors(self, images: Images) -> Tensor:
        """The vectors of images, ``[N, D]`` float32.

        Raises:
            ValueError: it is of maps, and there are none.
        """

    @abstractmethod
    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """Scores ``[P, G]``, higher for more alike."""


class CosineOfMaps(Baseline):
    """Vectors of maps, compared by the cosine."""

    of_maps = True

    def vectors(self, images: Images) -> Tensor:
        """The vectors of images, of length 1, ``[N, D]`` float32.

        Raises:
            ValueError: there are no maps.
        """
        if images.maps is None:
            raise ValueError(f"{self.name}: got images without maps, wanted those of a network")
        # Maps may be kept in half precision: a block at a time, they are never copied whole.
        starts = range(0, len(images.maps), _BLOCK)
        parts = [self.pooled(images.maps[start : start + _BLOCK].float()) for start in starts]
        return nn.functional.normalize(torch.cat(parts), dim=1)

    @abstractmethod
    def pooled(self, maps: Tensor) -> Tensor:
        """From ``[N, C, h, w]`` float32 to ``[N, D]``."""

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """The cosine of every pair, ``[P, G]``."""
        return probe @ gallery.T

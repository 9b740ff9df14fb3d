"""The mean of the maps: one vector that knows what is there and not where."""

from __future__ import annotations

from torch import Tensor

from qaconv_reid.evaluation.baselines.baseline import CosineOfMaps

__all__ = ["PooledEmbedding"]


class PooledEmbedding(CosineOfMaps):
    """The mean over all locations."""

    name = "pooled embedding"

    def pooled(self, maps: Tensor) -> Tensor:
        """From ``[N, C, h, w]`` to ``[N, C]``."""
        return maps.mean(dim=(2, 3))

"""Row stripes of the maps, joined: one vector that knows how high a thing is, and not where across.

The idea of Sun et al., *Beyond Part Models* (PCB, ECCV 2018), without its training.
"""

from __future__ import annotations

from torch import Tensor

from qaconv_reid.evaluation.baselines.baseline import CosineOfMaps
from qaconv_reid.models import stripes

__all__ = ["Stripes"]


class Stripes(CosineOfMaps):
    """The means of row stripes, each brought to length 1: every stripe has the same say.

    Args:
        count: of the stripes; where they do not divide the rows, neighbors share a row. None
            takes as many as the maps have rows.

    Raises:
        ValueError: ``count`` is not positive.
    """

    def __init__(self, count: int | None = None) -> None:
        super().__init__()
        if count is not None and count < 1:
            raise ValueError(f"count: got {count}, wanted at least 1 stripe")
        self.count = count
        self.name = "stripes" if count is None else f"{count} stripes"

    def tells_apart(self, rows: int) -> bool:
        """Not where there are no more rows than stripes: a row is the least stripe there is."""
        return self.count is None or self.count < rows

    def pooled(self, maps: Tensor) -> Tensor:
        """From ``[N, C, h, w]`` to ``[N, C·stripes]``."""
        return stripes(maps, min(self.count or maps.shape[2], maps.shape[2]), equal=True)

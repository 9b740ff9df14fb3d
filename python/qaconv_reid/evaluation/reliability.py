"""Whether probabilities hold: how often pairs of each are of one identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Reliability", "ReliabilityBin"]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs of about one probability."""

    probability: float
    """Their mean, each kind weighing alike."""
    share: float
    """Of one identity among them, at even odds."""
    same: int
    """Pairs of one identity."""
    different: int
    """Pairs of different ones."""


class Reliability:
    """Counts pairs by probability, block by block.

    Probabilities are at even odds, and so is what they are held to: the pairs of one identity and
    those of different ones weigh alike in all, however many there are of each.

    Args:
        bins: of equal width, from 0 to 1.
    """

    def __init__(self, bins: int = 10) -> None:
        # [different and same, bins]: how many, and their probabilities summed up.
        self._counts: NDArray[np.int64] = np.zeros((2, bins), np.int64)
        self._sums: NDArray[np.float64] = np.zeros((2, bins))

    def add(self, probabilities: ArrayLike, same: ArrayLike) -> None:
        """Count pairs.

        Args:
            probabilities: any shape, in [0, 1].
            same: of that shape, True where both are of one identity.
        """
        chances, kinds = np.ravel(probabilities), np.ravel(same).astype(np.int64)
        bins = self._counts.shape[1]
        places = np.minimum((chances * bins).astype(np.int64), bins - 1) + bins * kinds
        self._counts += np.bincount(places, minlength=2 * bins).reshape(2, bins)
        self._sums += np.bincount(places, chances, minlength=2 * bins).reshape(2, bins)

    @property
    def pairs(self) -> tuple[int, int]:
        """How many of one identity, and of different ones."""
        different, same = self._counts.sum(axis=1).tolist()
        return same, different

    def bins(self) -> list[ReliabilityBin]:
        """Those with pairs in them, by probability; none while a kind has no pair."""
        totals = self._counts.sum(axis=1, keepdims=True)
        if not totals.all():
            return []
        weights, sums = self._counts / totals, self._sums / totals
        whole = weights.sum(axis=0)
        return [
            ReliabilityBin(
                probability=float(sums[:, place].sum() / whole[place]),
                share=float(weights[1, place] / whole[place]),
                same=int(self._counts[1, place]),
                different=int(self._counts[0, place]),
            )
            for place in np.flatnonzero(whole)
        ]

    @property
    def error(self) -> float:
        """How far probability and share are apart, mean over the pairs, both kinds alike."""
        same, different = self.pairs
        return sum(
            0.5 * (row.same / same + row.different / different) * abs(row.probability - row.share)
            for row in self.bins()
        )

"""Two evaluations of the same queries: which of them changed, and whether that is chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.evaluation.bootstrap import Interval, by_identity, confidence_interval
from qaconv_reid.evaluation.labels import Pids
from qaconv_reid.evaluation.ranking import Ranking

__all__ = ["Comparison", "Difference", "PerQuery", "compare"]

_CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class PerQuery:
    """What is compared of a ranking, ``[queries]`` each, NaN where a query is not counted."""

    rank1: NDArray[np.float64]
    """1 where a match is the first, else 0; over repeats their mean."""
    average_precision: NDArray[np.float64]

    @classmethod
    def of(cls, ranking: Ranking | PerQuery) -> PerQuery:
        """Of a ranking, or what is already taken from one."""
        if isinstance(ranking, PerQuery):
            return ranking
        return cls(ranking.hits(1), ranking.average_precision)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the second is."""

    value: float
    """-1 to 1."""
    interval: Interval
    """Of ``value``, 95 %, by the bootstrap over identities."""
    p_value: float
    """How often chance alone would make a difference as great, by flipped signs of identities."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A second ranking beside a first one."""

    rank1: Difference
    mAP: Difference
    gained: NDArray[np.int64]
    """Numbers of the queries that only the second finds at first."""
    lost: NDArray[np.int64]
    """Numbers of the queries that only the first finds at first."""


def compare(
    first: Ranking | PerQuery,
    second: Ranking | PerQuery,
    pids: Pids,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two rankings query by query.

    The test is exact but for the drawing: were the two alike, the differences of each identity's
    queries would as well have the other sign.

    Args:
        first: of the queries.
        second: of the same queries, by the same protocol.
        pids: ``[queries]``.
        draws: of signs, and of identities for the intervals.
        seed: of the drawing.

    Raises:
        ValueError: the rankings are of other queries, or ``draws`` is not positive.
    """
    if draws < 1:
        raise ValueError(f"draws: got {draws}, wanted at least 1")
    before, after = PerQuery.of(first), PerQuery.of(second)
    counted, again = ~np.isnan(before.rank1), ~np.isnan(after.rank1)
    if not np.array_equal(counted, again):
        raise ValueError(
            f"second: got {again.sum()} of {len(again)} queries counted, wanted those of "
            f"first ({counted.sum()} of {len(counted)})"
        )
    gain = after.rank1 - before.rank1

    def difference(values: NDArray[np.float64]) -> Difference:
        sums, _ = by_identity(values, pids)
        return Difference(
            float(np.nanmean(values)),
            confidence_interval(values, pids, draws=draws, seed=seed),
            _p_value(sums, draws, seed),
        )

    return Comparison(
        rank1=difference(gain),
        mAP=difference(after.average_precision - before.average_precision),
        gained=np.flatnonzero(gain > 0),
        lost=np.flatnonzero(gain < 0),
    )


def _p_value(sums: NDArray[np.float64], draws: int, seed: int) -> float:
    """Of the hypothesis that each sum is as likely with the other sign."""
    random = np.random.default_rng(seed)
    # Equal sums of flipped terms are to count although they are added up differently.
    least = abs(sums.sum()) - 1e-12 * np.abs(sums).sum()
    step = max(1, _CELLS_AT_ONCE // len(sums))
    reached = 0
    for start in range(0, draws, step):
        signs = random.integers(0, 2, size=(min(step, draws - start), len(sums))) * 2.0 - 1
        reached += int((np.abs(signs @ sums) >= least).sum())
    return (reached + 1) / (draws + 1)

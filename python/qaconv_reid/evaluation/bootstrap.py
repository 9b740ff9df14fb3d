"""How far a mean over queries may be off: the bootstrap over identities.

The queries of one identity are alike, so identities are drawn and not queries (a cluster
bootstrap): intervals over queries would be too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from qaconv_reid.evaluation.labels import Pids

__all__ = [
    "Interval",
    "by_identity",
    "confidence_interval",
    "interval_of_means",
    "resampled_means",
]

_CELLS_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """Where a measure lies, with the confidence that was asked for."""

    low: float
    high: float


def confidence_interval(
    values: ArrayLike, pids: Pids, *, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Interval:
    """The interval of a mean over queries, by percentiles of the means of redrawn identities.

    Args:
        values: ``[queries]``, such as `Ranking.average_precision`; NaN is not counted.
        pids: ``[queries]``.
        level: confidence, between 0 and 1.
        draws: how often as many identities as there are are drawn, with replacement.
        seed: of the drawing.

    Raises:
        ValueError: a number is out of range, not as many of both, or nothing is counted.
    """
    _check_level(level)
    return _between(resampled_means(*by_identity(values, pids), draws=draws, seed=seed), level)


def interval_of_means(
    parts: Sequence[tuple[ArrayLike, Pids]],
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """The interval of the mean of several means, such as those of the domains of a data set.

    Identities are drawn once for all parts: one who is in several is in all of them or in none.

    Args:
        parts: values and pids of each, as for `confidence_interval`; at least one part.
        level: confidence, between 0 and 1.
        draws: how often as many identities as there are are drawn, with replacement.
        seed: of the drawing.

    Raises:
        ValueError: there is no part, or as `confidence_interval`.
    """
    _check_level(level)
    if not parts:
        raise ValueError("parts: got none, wanted at least one")
    everybody = np.unique(np.concatenate([np.asarray(pids) for _, pids in parts]))
    sums, counts = np.zeros((2, len(everybody), len(parts)))
    for place, (values, pids) in enumerate(parts):
        who = np.unique(np.asarray(pids)[~np.isnan(np.asarray(values, dtype=np.float64))])
        rows = np.searchsorted(everybody, who)
        sums[rows, place], counts[rows, place] = by_identity(values, pids)
    seen = counts.any(axis=1)
    means = resampled_means(sums[seen], counts[seen], draws=draws, seed=seed)
    # Draws that leave out a part of few identities have no mean of means.
    means = means.mean(axis=1)
    return _between(means[~np.isnan(means)], level)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}, wanted more than 0 and less than 1")


def _between(means: NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def by_identity(values: ArrayLike, pids: Pids) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of the counted values of every identity that has any, ascending.

    Raises:
        ValueError: not as many of both, or nothing is counted.
    """
    numbers = np.asarray(values, dtype=np.float64)
    who = torch.as_tensor(pids).numpy()
    if numbers.ndim != 1 or numbers.shape != who.shape:
        raise ValueError(
            f"pids: got shape {list(who.shape)} for values {list(numbers.shape)}, wanted [N] "
            "of both"
        )
    counted = ~np.isnan(numbers)
    if not counted.any():
        raise ValueError("values: got none that is counted, wanted at least one")
    _, place = np.unique(who[counted], return_inverse=True)
    return (
        np.bincount(place, numbers[counted]).astype(np.float64),
        np.bincount(place).astype(np.int64),
    )


def resampled_means(
    sums: NDArray[np.float64],
    counts: NDArray[np.int64] | NDArray[np.float64],
    *,
    draws: int,
    seed: int,
) -> NDArray[np.float64]:
    """The mean over the queries of redrawn identities, ``[draws]`` or ``[draws, parts]``.

    Args:
        sums: ``[identities]`` or ``[identities, parts]``.
        counts: as ``sums``; where none of a part's is drawn, its mean is NaN.
        draws: how often.
        seed: of the drawing.

    Raises:
        ValueError: ``draws`` is not positive.
    """
    if draws < 1:
        raise ValueError(f"draws: got {draws}, wanted at least 1")
    with np.errstate(invalid="ignore"):
        means = [(weight @ sums) / (weight @ counts) for weight in _weights(len(sums), draws, seed)]
    return np.concatenate(means)


def _weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each identity is drawn, ``[some draws, identities]``."""
    random = np.random.default_rng(seed)
    equal = np.full(identities, 1 / identities)
    step = max(1, _CELLS_AT_ONCE // identities)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        yield random.multinomial(identities, equal, size=size).astype(np.float64)

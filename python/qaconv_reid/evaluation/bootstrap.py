"""How far a mean over queries may be off: the bootstrap over identities.

The queries of one identity are alike, so identities are drawn and not queries (a cluster
bootstrap): intervals over queries would be too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from qaconv_reid.evaluation.labels import Persons

__all__ = ["Interval", "by_identity", "confidence_interval", "resampled_means"]

_CELLS_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """Where a measure lies, with the confidence that was asked for."""

    low: float
    high: float


def confidence_interval(
    values: ArrayLike, persons: Persons, *, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Interval:
    """The interval of a mean over queries, by percentiles of the means of redrawn identities.

    Args:
        values: ``[queries]``, such as `Ranking.average_precision`; NaN is not counted.
        persons: ``[queries]``.
        level: confidence, between 0 and 1.
        draws: how often as many identities as there are are drawn, with replacement.
        seed: of the drawing.

    Raises:
        ValueError: a number is out of range, not as many of both, or nothing is counted.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: got {level}, wanted more than 0 and less than 1")
    means = resampled_means(*by_identity(values, persons), draws=draws, seed=seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def by_identity(
    values: ArrayLike, persons: Persons
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of the counted values of every identity that has any, ascending.

    Raises:
        ValueError: not as many of both, or nothing is counted.
    """
    numbers = np.asarray(values, dtype=np.float64)
    who = torch.as_tensor(persons).numpy()
    if numbers.ndim != 1 or numbers.shape != who.shape:
        raise ValueError(
            f"persons: got shape {list(who.shape)} for values {list(numbers.shape)}, wanted [N] "
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
    sums: NDArray[np.float64], counts: NDArray[np.int64], *, draws: int, seed: int
) -> NDArray[np.float64]:
    """The mean over the queries of redrawn identities, ``[draws]``.

    Args:
        sums: ``[identities]``.
        counts: ``[identities]``, at least 1 each.
        draws: how often.
        seed: of the drawing.

    Raises:
        ValueError: ``draws`` is not positive.
    """
    if draws < 1:
        raise ValueError(f"draws: got {draws}, wanted at least 1")
    parts = [(weight @ sums) / (weight @ counts) for weight in _weights(len(sums), draws, seed)]
    return np.concatenate(parts)


def _weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each identity is drawn, ``[some draws, identities]``."""
    random = np.random.default_rng(seed)
    equal = np.full(identities, 1 / identities)
    step = max(1, _CELLS_AT_ONCE // identities)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        yield random.multinomial(identities, equal, size=size).astype(np.float64)

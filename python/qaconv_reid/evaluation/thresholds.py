"""Thresholds that so many false scores may reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["allowed", "check_rates", "thresholds"]


def check_rates(name: str, rates: Sequence[float]) -> NDArray[np.float64]:
    """Rates as an array.

    Raises:
        ValueError: there is none, or one is not between 0 and 1.
    """
    found = np.asarray(rates, dtype=np.float64)
    if found.ndim != 1 or found.size == 0 or not bool(((found >= 0) & (found <= 1)).all()):
        raise ValueError(f"{name}: got {list(rates)}, wanted numbers from 0 to 1")
    return found


def allowed(rate: float, count: int) -> int:
    """The most of ``count`` whose share is not above ``rate``."""
    number = int(rate * count)
    return number + 1 if number < count and (number + 1) / count <= rate else number


def thresholds(highest: Tensor, count: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each rate the lowest threshold that no greater share of scores reaches.

    Args:
        highest: the highest of ``count`` scores, descending: one more than the greatest rate
            allows, or all of them.
        count: of all scores.
        rates: shares, 0 to 1.

    Returns:
        ``[rates]``: a score is accepted at or above it; -inf where all may be.
    """
    found = []
    for rate in rates:
        number = allowed(float(rate), count)
        if number >= count:
            found.append(-np.inf)
        else:
            # Just above the first that may not be accepted.
            refused = highest[number]
            found.append(float(torch.nextafter(refused, refused.new_tensor(torch.inf))))
    return np.array(found)

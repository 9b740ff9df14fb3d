"""Patterns of cloth, as functions of where on the body at rest a point lies."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from qaconv_reid.people.kit import Array

__all__ = ["PATTERNS", "noise", "noise_at", "pattern"]

#: Points of a side of the noise texture; a power of two, as it repeats.
_SIDE = 256


@lru_cache(maxsize=4)
def noise(seed: int) -> Array:
    """Smooth noise of several octaves ``[256, 256]`` that repeats; mean 0, deviation 1."""
    generator = np.random.default_rng(seed)
    frequency = np.fft.fftfreq(_SIDE)
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[0, 0] = 1
    spectrum = np.fft.fft2(generator.normal(size=(_SIDE, _SIDE))) / radius**1.4
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return np.asarray(field / field.std(), np.float32)


def noise_at(u: Array, v: Array, seed: int = 7) -> Array:
    """The noise at coordinates in its points, the nearest one."""
    mask = _SIDE - 1
    place = (v.astype(np.int32) & mask) * _SIDE + (u.astype(np.int32) & mask)
    values: Array = noise(seed).ravel().take(place)
    return values


# Each takes u around and v up the body, in metres, and a phase, and answers how much of the
# figure's color there is, 0 to 1; above 1 up to 2 the third color mixes in.


def _stripes(u: Array, v: Array, phase: float) -> Array:
    return ((v * 14 + phase) % 1 < 0.42).astype(np.float32)


def _thin_stripes(u: Array, v: Array, phase: float) -> Array:
    return ((v * 26 + phase) % 1 < 0.3).astype(np.float32)


def _pinstripes(u: Array, v: Array, phase: float) -> Array:
    return ((u * 20 + phase) % 1 < 0.3).astype(np.float32)


def _diagonal(u: Array, v: Array, phase: float) -> Array:
    return (((u + v) * 9 + phase) % 1 < 0.45).astype(np.float32)


def _checks(u: Array, v: Array, phase: float) -> Array:
    return (((u * 9 + phase) % 1 < 0.5) ^ ((v * 9) % 1 < 0.5)).astype(np.float32)


def _plaid(u: Array, v: Array, phase: float) -> Array:
    first, second = (u * 8 + phase) % 1 < 0.4, (v * 8) % 1 < 0.4
    thin = ((u * 8 + phase) % 1 > 0.92) | ((v * 8) % 1 > 0.92)
    return np.where(thin, 1.6, 0.45 * first + 0.45 * second).astype(np.float32)


def _dots(u: Array, v: Array, phase: float) -> Array:
    row = np.floor(v * 13)
    x, y = (u * 13 + 0.5 * (row % 2) + phase) % 1 - 0.5, (v * 13) % 1 - 0.5
    return (x * x + y * y < 0.085).astype(np.float32)


def _blotches(u: Array, v: Array, phase: float) -> Array:
    field = noise_at(u * 260 + 97 * phase, v * 260 + 41 * phase)
    return np.where(field > 0.9, 2, field > -0.1).astype(np.float32)


def _flowers(u: Array, v: Array, phase: float) -> Array:
    field = noise_at(u * 800 + 97 * phase, v * 800, 8)
    return np.where(field > 1.2, 2, field > 0.5).astype(np.float32)


def _halves(u: Array, v: Array, phase: float) -> Array:
    return (v < 1.18 + 0.14 * phase).astype(np.float32)


def _chest_band(u: Array, v: Array, phase: float) -> Array:
    low = 1.16 + 0.12 * phase
    return ((v > low) & (v < low + 0.10)).astype(np.float32)


def _front_print(u: Array, v: Array, phase: float) -> Array:
    inside = (np.abs(u) < 0.085) & (np.abs(v - 1.30) < 0.075 + 0.03 * phase)
    mark = noise_at(u * 700 + 97 * phase, v * 700, 9) > 0
    return np.where(inside, 1 + mark, 0).astype(np.float32)


def _back_print(u: Array, v: Array, phase: float) -> Array:
    inside = (np.abs(u) > 0.33) & (np.abs(v - 1.27) < 0.09)
    return np.where(inside, 1, (np.abs(u - 0.07) < 0.02) & (np.abs(v - 1.36) < 0.02)).astype(
        np.float32
    )


def _sides(u: Array, v: Array, phase: float) -> Array:
    return (np.abs(np.abs(u) - 0.22) < 0.045 + 0.02 * phase).astype(np.float32)


def _faded(u: Array, v: Array, phase: float) -> Array:
    return np.asarray(np.clip((1.45 - v) / 0.5 + 0.1 * phase, 0, 1), np.float32)


def _heather(u: Array, v: Array, phase: float) -> Array:
    return np.asarray(np.clip(0.35 + 0.3 * noise_at(u * 1500, v * 1500, 10), 0, 1), np.float32)


_FIGURES: dict[str, Callable[[Array, Array, float], Array]] = {
    "stripes": _stripes,
    "thin stripes": _thin_stripes,
    "pinstripes": _pinstripes,
    "diagonal": _diagonal,
    "checks": _checks,
    "plaid": _plaid,
    "dots": _dots,
    "blotches": _blotches,
    "flowers": _flowers,
    "halves": _halves,
    "chest band": _chest_band,
    "front print": _front_print,
    "back print": _back_print,
    "sides": _sides,
    "faded": _faded,
    "heather": _heather,
}

PATTERNS = ("plain", *_FIGURES)
"""Every pattern's name; the first has no figure."""

#: Patterns that stand at a height of the body: their size does not scale.
_PLACED = frozenset({"halves", "chest band", "front print", "back print", "sides", "faded"})


def pattern(name: str, u: Array, v: Array, scale: float, phase: float, colors: Array) -> Array:
    """The color of cloth.

    Args:
        name: of `PATTERNS`.
        u: ``[N]``: metres around the body, 0 in front.
        v: ``[N]``: metres up.
        scale: factor on the size of what repeats.
        phase: 0 to 1.
        colors: ``[3, 3]``: ground, figure, third; in whatever space the result is wanted.

    Returns:
        ``[N, 3]``, new.
    """
    if name == "plain":
        return np.tile(colors[0], (len(u), 1))
    factor = 1 if name in _PLACED else 1 / scale
    share = _FIGURES[name](u * np.float32(factor), v * np.float32(factor), phase)
    amounts = np.stack([np.minimum(share, 1), np.maximum(share - 1, 0)], 1)
    mixed = amounts @ np.stack([colors[1] - colors[0], colors[2] - colors[1]])
    mixed += colors[0]
    return np.asarray(mixed, np.float32)

"""Patterns of cloth, as functions of where on the body at rest a point lies."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from qaconv_reid.people.kit import Array

__all__ = ["PATTERNS", "TROUSER_PATTERNS", "noise", "noise_at", "pattern"]

#: Points of a side of the noise texture; a power of two, as it repeats.
_SIDE = 256


@lru_cache(maxsize=8)
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


# Each is a family: it takes u around and v up the body, in metres, a phase, and a grain, 0 to 1,
# that chooses a member (widths, angles, motifs). It answers how much of the figure's color there
# is, 0 to 1; above 1 up to 2 the third color mixes in.


def _stripes(u: Array, v: Array, phase: float, grain: float) -> Array:
    return ((v * (9 + 12 * grain) + phase) % 1 < 0.22 + 0.4 * phase).astype(np.float32)


def _thin_stripes(u: Array, v: Array, phase: float, grain: float) -> Array:
    return ((v * (20 + 14 * grain) + phase) % 1 < 0.3).astype(np.float32)


def _uneven_stripes(u: Array, v: Array, phase: float, grain: float) -> Array:
    at = (v * (4 + 3 * grain) + phase) % 1
    thin = (at > 0.6) & ((at * 20) % 1 < 0.45)
    return np.where(at < 0.2 + 0.25 * grain, 1, np.where(thin, 2, 0)).astype(np.float32)


def _pinstripes(u: Array, v: Array, phase: float, grain: float) -> Array:
    return ((u * (14 + 16 * grain) + phase) % 1 < 0.18 + 0.3 * phase).astype(np.float32)


def _diagonal(u: Array, v: Array, phase: float, grain: float) -> Array:
    angle = np.pi * (0.15 + 0.7 * grain)
    along = np.float32(np.cos(angle)) * u + np.float32(np.sin(angle)) * v
    return np.asarray((along * 12 + phase) % 1 < 0.45, np.float32)


def _zigzag(u: Array, v: Array, phase: float, grain: float) -> Array:
    tooth = np.abs((u * (8 + 6 * grain)) % 1 - 0.5)
    return np.asarray((v * 11 + 0.8 * tooth + phase) % 1 < 0.4, np.float32)


def _checks(u: Array, v: Array, phase: float, grain: float) -> Array:
    count = 6 + 7 * grain
    return (((u * count + phase) % 1 < 0.5) ^ ((v * count) % 1 < 0.5)).astype(np.float32)


def _plaid(u: Array, v: Array, phase: float, grain: float) -> Array:
    count, wide = 5 + 5 * grain, 0.25 + 0.3 * phase
    first, second = (u * count + phase) % 1 < wide, (v * count) % 1 < wide
    line = 0.90 + 0.05 * grain
    thin = ((u * count + phase) % 1 > line) | ((v * count) % 1 > line)
    return np.where(thin, 1.6, 0.45 * first + 0.45 * second).astype(np.float32)


def _diamonds(u: Array, v: Array, phase: float, grain: float) -> Array:
    count = 6 + 4 * grain
    x, y = np.abs((u * count + phase) % 1 - 0.5), np.abs((v * count * 0.7) % 1 - 0.5)
    return np.where(np.abs(x - y) < 0.04, 2, x + y < 0.42).astype(np.float32)


def _dots(u: Array, v: Array, phase: float, grain: float) -> Array:
    count = 9 + 9 * grain
    row = np.floor(v * count)
    x, y = (u * count + 0.5 * (row % 2) + phase) % 1 - 0.5, (v * count) % 1 - 0.5
    return np.asarray(x * x + y * y < 0.04 + 0.08 * phase, np.float32)


def _blotches(u: Array, v: Array, phase: float, grain: float) -> Array:
    field = noise_at(u * (160 + 200 * grain) + 97 * phase, v * 260 + 41 * phase)
    return np.where(field > 0.9, 2, field > -0.1).astype(np.float32)


def _flowers(u: Array, v: Array, phase: float, grain: float) -> Array:
    size = 500 + 500 * grain
    field = noise_at(u * size + 97 * phase, v * size + 59 * grain, 8)
    return np.where(field > 1.2, 2, field > 0.5).astype(np.float32)


def _halves(u: Array, v: Array, phase: float, grain: float) -> Array:
    return np.asarray(v < 1.10 + 0.25 * phase + 0.25 * (grain - 0.5) * u, np.float32)


def _shoulders(u: Array, v: Array, phase: float, grain: float) -> Array:
    """The yoke is of another color, with a line below it or without."""
    edge = 1.33 + 0.07 * phase + 0.3 * (grain - 0.5) * np.abs(u)
    line = (v > edge - 0.02) & (grain > 0.5)
    return np.where(v > edge, 1, np.where(line, 2, 0)).astype(np.float32)


def _chest_band(u: Array, v: Array, phase: float, grain: float) -> Array:
    low, wide = 1.13 + 0.16 * phase, 0.04 + 0.09 * grain
    inner = (v > low + 0.3 * wide) & (v < low + 0.7 * wide) & (grain > 0.6)
    return np.where(inner, 2, (v > low) & (v < low + wide)).astype(np.float32)


def _motif(x: Array, y: Array, phase: float, grain: float) -> Array:
    """A print within the unit disk or square: letters, a mark, a picture of blotches; 0, 1 or 2."""
    mark = noise_at(x * 60 + 97 * phase, y * 60 + 131 * grain, 9)
    if grain < 0.35:  # lines of letters
        row = (y * 2.5 + phase) % 1 < 0.55
        letter = noise_at(x * 90 + 97 * phase, np.floor(y * 2.5 + phase) * 7 + 50, 9) > -0.2
        return np.where((np.abs(x) < 1) & (np.abs(y) < 1) & row & letter, 1, 0)
    round_about = x * x + y * y < 1 if grain > 0.7 else (np.abs(x) < 1) & (np.abs(y) < 1)
    # The same on both sides of its middle, as most emblems.
    even = noise_at(np.abs(x) * 60 + 97 * phase, y * 60 + 131 * grain, 9)
    return np.where(round_about, 1 + ((even if phase > 0.4 else mark) > 0.1), 0)


def _front_print(u: Array, v: Array, phase: float, grain: float) -> Array:
    wide, tall = 0.06 + 0.05 * phase, 0.04 + 0.07 * grain
    return _motif(u / wide, (v - 1.28 - 0.05 * phase) / tall, phase, grain).astype(np.float32)


def _back_print(u: Array, v: Array, phase: float, grain: float) -> Array:
    x = (0.408 - np.abs(u)) * np.sign(u)
    large = _motif(x / (0.07 + 0.04 * phase), (v - 1.27) / (0.05 + 0.06 * grain), phase, grain)
    small = (np.abs(u - 0.07) < 0.02) & (np.abs(v - 1.36) < 0.02)
    return np.asarray(np.maximum(large, small), np.float32)


def _badge(u: Array, v: Array, phase: float, grain: float) -> Array:
    """A small mark on one side of the chest."""
    size = 0.02 + 0.02 * grain
    side = 0.07 if phase < 0.7 else -0.07
    return _motif((u - side) / size, (v - 1.35) / size, phase, grain).astype(np.float32)


def _sides(u: Array, v: Array, phase: float, grain: float) -> Array:
    return (np.abs(np.abs(u) - 0.17 - 0.08 * grain) < 0.02 + 0.05 * phase).astype(np.float32)


def _faded(u: Array, v: Array, phase: float, grain: float) -> Array:
    return np.asarray(np.clip((1.30 + 0.2 * grain - v) / 0.5 + 0.1 * phase, 0, 1), np.float32)


def _heather(u: Array, v: Array, phase: float, grain: float) -> Array:
    rough = 0.15 + 0.3 * grain
    return np.asarray(np.clip(0.35 + rough * noise_at(u * 1500, v * 1500, 10), 0, 1), np.float32)


def _quilt(u: Array, v: Array, phase: float, grain: float) -> Array:
    """Seams of a padded jacket, with light and shade between them."""
    at = (v * (9 + 8 * grain) + phase) % 1
    return np.asarray(np.where(at < 0.1, 0.7, 0.5 * at * at), np.float32)


# Of trousers: u around one leg, 0 in front and outside positive, v up.


def _washed(u: Array, v: Array, phase: float, grain: float) -> Array:
    thigh = np.exp(-np.square((v - 0.70 - 0.1 * phase) / 0.16) - np.square(u / 0.05))
    knee = np.exp(-np.square((v - 0.48) / 0.06) - np.square(u / 0.05))
    return np.asarray((0.3 + 0.5 * grain) * np.clip(thigh + 0.6 * knee, 0, 1), np.float32)


def _side_stripe(u: Array, v: Array, phase: float, grain: float) -> Array:
    at = np.abs(u) - 0.125
    line = np.abs(at) < 0.008 + 0.02 * grain
    return np.where(line & (phase > 0.5) & (np.abs(at) < 0.006), 2, line).astype(np.float32)


def _cuffs(u: Array, v: Array, phase: float, grain: float) -> Array:
    return (v < 0.12 + 0.08 * phase).astype(np.float32)


_FIGURES: dict[str, Callable[[Array, Array, float, float], Array]] = {
    "stripes": _stripes,
    "thin stripes": _thin_stripes,
    "uneven stripes": _uneven_stripes,
    "pinstripes": _pinstripes,
    "diagonal": _diagonal,
    "zigzag": _zigzag,
    "checks": _checks,
    "plaid": _plaid,
    "diamonds": _diamonds,
    "dots": _dots,
    "blotches": _blotches,
    "flowers": _flowers,
    "halves": _halves,
    "shoulders": _shoulders,
    "chest band": _chest_band,
    "front print": _front_print,
    "back print": _back_print,
    "badge": _badge,
    "sides": _sides,
    "faded": _faded,
    "heather": _heather,
    "quilt": _quilt,
}
_OF_TROUSERS: dict[str, Callable[[Array, Array, float, float], Array]] = {
    "washed": _washed,
    "side stripe": _side_stripe,
    "cuffs": _cuffs,
}
_ALL = {**_FIGURES, **_OF_TROUSERS}

PATTERNS = ("plain", *_FIGURES)
"""Every pattern of an upper garment; the first has no figure."""

TROUSER_PATTERNS = ("plain", *_OF_TROUSERS)
"""Every pattern that only trousers have, and none."""

#: Patterns that stand at a height of the body: their size does not scale.
_PLACED = frozenset(
    ("halves", "shoulders", "chest band", "front print", "back print", "badge", "sides", "faded")
) | frozenset(_OF_TROUSERS)


def pattern(
    name: str, u: Array, v: Array, scale: float, phase: float, grain: float, colors: Array
) -> Array:
    """The color of cloth.

    Args:
        name: of `PATTERNS` or `TROUSER_PATTERNS`.
        u: ``[N]``: metres around the body or the leg, 0 in front.
        v: ``[N]``: metres up.
        scale: factor on the size of what repeats.
        phase: 0 to 1.
        grain: 0 to 1.
        colors: ``[3, 3]``: ground, figure, third; in whatever space the result is wanted.

    Returns:
        ``[N, 3]``, new.
    """
    if name == "plain":
        return np.tile(colors[0], (len(u), 1))
    factor = 1 if name in _PLACED else 1 / scale
    share = _ALL[name](u * np.float32(factor), v * np.float32(factor), phase, grain)
    amounts = np.stack([np.minimum(share, 1), np.maximum(share - 1, 0)], 1)
    mixed = amounts @ np.stack([colors[1] - colors[0], colors[2] - colors[1]])
    mixed += colors[0]
    return np.asarray(mixed, np.float32)

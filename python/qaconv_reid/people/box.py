"""The box that a detector would draw around somebody, with a detector's mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qaconv_reid.people.kit import Array

__all__ = ["KINDS", "Box", "detect"]

#: How a box can be wrong, with how common it is among boxes of detectors.
KINDS = {
    "tight": 0.30,
    "usual": 0.41,
    "loose": 0.10,
    "shifted": 0.08,
    "no feet": 0.06,
    "no head": 0.03,
    "two": 0.02,
}
_NAMES, _SHARES = tuple(KINDS), np.array(tuple(KINDS.values()))

#: The least width of a box against its height: that of a walking person is never a sliver.
_SLIM = 0.36


@dataclass(frozen=True, slots=True)
class Box:
    """Edges, in pixels of the camera's image."""

    left: float
    top: float
    right: float
    bottom: float


def detect(
    person: tuple[Array, Array],
    other: tuple[Array, Array] | None,
    jitter: float,
    frame: tuple[int, int],
    generator: np.random.Generator,
) -> Box:
    """A detector's box.

    Args:
        person: the least and the greatest x and y of whom it is of, pixels.
        other: of the nearest other person; a box that is of two reaches to it.
        jitter: how unsteady it is, a standard deviation of each edge in shares of the box's size.
        frame: width and height of the camera's image, which it does not leave.
        generator: of its mistakes.
    """
    low, high = person
    kind = str(generator.choice(_NAMES, p=_SHARES / _SHARES.sum()))
    size = high - low
    edges = np.concatenate([low, high]).astype(np.float64)
    pad = {"tight": (-0.03, 0.02), "loose": (0.10, 0.30)}.get(kind, (0.02, 0.08))
    edges += float(generator.uniform(*pad)) * np.array((-size[0], -size[1], size[0], size[1]))
    edges += generator.normal(0, 0.5 * jitter, 4) * np.tile(size, 2)
    if kind == "shifted":
        angle = float(generator.uniform(0, 2 * np.pi))
        move = float(generator.uniform(0.08, 0.18)) * np.array((np.cos(angle), np.sin(angle)))
        edges += np.tile(move * (1.3 * size[0], size[1]), 2)
    elif kind == "no feet":
        edges[3] -= float(generator.uniform(0.12, 0.35)) * size[1]
    elif kind == "no head":
        edges[1] += float(generator.uniform(0.07, 0.16)) * size[1]
    elif kind == "two" and other is not None and _near(person, other):
        share = float(generator.uniform(0.5, 1))
        both = np.concatenate([np.minimum(low, other[0]), np.maximum(high, other[1])])
        edges += share * (both - np.concatenate([low, high]))
    wide = max(edges[2] - edges[0], _SLIM * (edges[3] - edges[1]))
    middle = 0.5 * (edges[0] + edges[2])
    left, right = np.clip((middle - wide / 2, middle + wide / 2), 0, frame[0])
    top, bottom = np.clip(edges[[1, 3]], 0, frame[1])
    # Somebody at the very edge is still cut to an image of some size.
    return Box(float(left), float(top), max(float(right), left + 8), max(float(bottom), top + 16))


def _near(person: tuple[Array, Array], other: tuple[Array, Array]) -> bool:
    """Whether two stand so close, and at such distances, that a detector may take them for one."""
    gap = max(other[0][0] - person[1][0], person[0][0] - other[1][0])
    tall = person[1][1] - person[0][1]
    return bool(gap < 0.1 * tall and abs(other[1][1] - person[1][1]) < 0.35 * tall)

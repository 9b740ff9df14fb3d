"""What stands in a scene beside people and hides parts of them: poles, bins, railings, cars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from qaconv_reid.people.camera import View
from qaconv_reid.people.fabric import noise_at
from qaconv_reid.people.kit import Array
from qaconv_reid.people.look import Color
from qaconv_reid.people.render import Light, Mask
from qaconv_reid.people.surface import linear

__all__ = ["KINDS", "Thing", "draw_thing", "put"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing that stands upright and faces the camera; metres."""

    kind: str
    """A name of `KINDS`."""
    x: float
    y: float
    width: float
    height: float
    color: Color
    second: Color


# A kind takes x across, 0 in the middle, and z up, metres, and the thing's width and height. It
# answers where there is anything, where that has the second color, and how bright it is.
Shape = tuple[Mask, Mask, Array]
Kind = Callable[[Array, Array, float, float], Shape]


def _round(x: Array, width: float) -> Array:
    """The light on an upright cylinder."""
    across = 2 * x / width
    return np.asarray(
        np.clip(0.6 * np.sqrt(np.maximum(1 - across**2, 0)) + 0.4 * across, 0.1, 1), np.float32
    )


def _pole(x: Array, z: Array, width: float, height: float) -> Shape:
    return np.ones(x.shape, bool), (z // 0.5) % 5 == 4, _round(x, width)


def _bin(x: Array, z: Array, width: float, height: float) -> Shape:
    lid = z > 0.86 * height
    return (np.abs(x) < width / 2 * (0.88 + 0.12 * z / height)) | lid, lid, _round(x, width)


def _sign(x: Array, z: Array, width: float, height: float) -> Shape:
    board = z > height - 0.6
    letters = noise_at(x * 220, np.floor(z * 9) * 40, 9) > 0.3
    return board | (np.abs(x) < 0.03), board & ~letters, np.full(x.shape, 0.85, np.float32)


def _railing(x: Array, z: Array, width: float, height: float) -> Shape:
    bars = (x * 7) % 1 < 0.14
    rails = (z > height - 0.06) | (np.abs(z - 0.12) < 0.02)
    return bars | rails, np.zeros(x.shape, bool), np.full(x.shape, 0.8, np.float32)


def _bench(x: Array, z: Array, width: float, height: float) -> Shape:
    seat = np.abs(z - 0.44) < 0.03
    back = (z > 0.55) & ((z * 9) % 1 < 0.75)
    legs = (np.abs(np.abs(x) - 0.42 * width) < 0.03) & (z < height)
    return seat | back | legs, legs, np.where(seat, 1.0, 0.75).astype(np.float32)


def _planter(x: Array, z: Array, width: float, height: float) -> Shape:
    box = z < 0.42 * height
    leaves = (
        noise_at(x * 110, z * 110)
        + 1.6
        - 2.6 * np.hypot(2 * x / width, np.maximum(z / height - 0.55, 0) * 2)
    )
    shade = np.where(box, 0.8, 0.7 + 0.35 * noise_at(x * 400, z * 400, 8))
    return box | (leaves > 0), ~box, np.clip(shade, 0.15, 1.3).astype(np.float32)


def _bicycle(x: Array, z: Array, width: float, height: float) -> Shape:
    hub = 0.34
    away = np.hypot(np.abs(x) - 0.52, z - hub)
    tire = np.abs(away - 0.32) < 0.022
    spokes = (away < 0.32) & (np.abs(np.sin(8 * np.arctan2(z - hub, np.abs(x) - 0.52))) < 0.08)

    def bar(ax: float, az: float, bx: float, bz: float) -> Mask:
        t = np.clip(
            ((x - ax) * (bx - ax) + (z - az) * (bz - az)) / np.hypot(bx - ax, bz - az) ** 2, 0, 1
        )
        return np.asarray(np.hypot(x - ax - t * (bx - ax), z - az - t * (bz - az)) < 0.018)

    frame = bar(-0.52, hub, -0.2, 0.8) | bar(-0.2, 0.8, 0.38, 0.82) | bar(0.52, hub, 0.36, 0.98)
    frame |= bar(0.38, 0.8, 0.0, 0.3) | bar(0.0, 0.3, -0.22, 0.92) | bar(-0.52, hub, 0.0, 0.3)
    saddle = (np.abs(x + 0.24) < 0.12) & (np.abs(z - 0.94) < 0.025)
    return (
        tire | spokes | frame | saddle,
        tire | saddle | spokes,
        np.full(x.shape, 0.85, np.float32),
    )


def _car(x: Array, z: Array, width: float, height: float) -> Shape:
    low, top = 0.2, 0.62 * height
    hull = (z > low) & (z < top)
    lean = 0.42 * width - 0.35 * (z - top) / (height - top)
    cabin = (z >= top) & (np.abs(x + 0.05 * width) < lean)
    glass = cabin & (z < height - 0.06) & (np.abs(x + 0.05 * width) < lean - 0.09)
    glass &= np.abs(x + 0.03 * width) > 0.03
    wheel = np.hypot(np.abs(x) - 0.31 * width, z - 0.31) < 0.31
    seam = hull & (np.abs(np.abs(x) - 0.12 * width) < 0.008)
    shade = 0.65 + 0.45 * (z / height)
    return hull | cabin | wheel, glass | wheel | seam, shade.astype(np.float32)


def _trolley(x: Array, z: Array, width: float, height: float) -> Shape:
    case = (z > 0.08) & (z < 0.68 * height)
    handle = (np.abs(np.abs(x) - 0.3 * width) < 0.012) | (
        (z > height - 0.03) & (np.abs(x) < 0.3 * width)
    )
    ribs = (x * 16) % 1 < 0.15
    return (
        case | (handle & (z > 0.6 * height)),
        (case & ribs) | ~case,
        np.full(x.shape, 0.8, np.float32),
    )


KINDS: Mapping[str, tuple[Kind, tuple[float, float], tuple[float, float]]] = {
    "pole": (_pole, (0.08, 0.28), (1.0, 4.0)),
    "pillar": (_pole, (0.35, 0.7), (4.0, 5.0)),
    "bin": (_bin, (0.42, 0.65), (0.8, 1.15)),
    "sign": (_sign, (0.5, 0.9), (1.5, 2.4)),
    "railing": (_railing, (1.5, 3.5), (0.95, 1.15)),
    "bench": (_bench, (1.4, 2.0), (0.8, 0.9)),
    "planter": (_planter, (0.6, 1.6), (0.7, 1.4)),
    "bicycle": (_bicycle, (1.72, 1.72), (1.02, 1.02)),
    "car": (_car, (3.9, 4.6), (1.4, 1.6)),
    "trolley": (_trolley, (0.4, 0.6), (0.9, 1.1)),
}
"""Every kind by its name, with the ranges of its width and height, metres."""

#: What things are painted in.
_PAINT: tuple[Color, ...] = (
    *((0.12, 0.12, 0.13), (0.35, 0.35, 0.36), (0.62, 0.62, 0.62), (0.85, 0.85, 0.84)),
    *((0.10, 0.28, 0.18), (0.15, 0.20, 0.38), (0.55, 0.10, 0.10), (0.70, 0.55, 0.15)),
    *((0.40, 0.27, 0.16), (0.25, 0.30, 0.34)),
)
_LEAVES: Color = (0.18, 0.30, 0.12)
_DARK: Color = (0.07, 0.07, 0.08)


def put(kind: str, x: float, y: float, generator: np.random.Generator) -> Thing:
    """A thing of a kind at a place on the ground, in metres, of a size and colors of its own."""
    _, widths, heights = KINDS[kind]
    paint = np.array(_PAINT[generator.integers(len(_PAINT))]) * generator.uniform(0.85, 1.12, 3)
    r, g, b = np.clip(paint, 0.02, 0.95).tolist()
    second = {"planter": _LEAVES, "car": _DARK, "bicycle": _DARK, "bin": _DARK}.get(kind)
    if second is None:
        second = _PAINT[generator.integers(len(_PAINT))]
    return Thing(
        kind=kind,
        x=x,
        y=y,
        width=float(generator.uniform(*widths)),
        height=float(generator.uniform(*heights)),
        color=(r, g, b),
        second=second,
    )


def draw_thing(canvas: Array, thing: Thing, view: View, light: Light) -> Mask:
    """Draw a thing over what the image holds.

    Args:
        canvas: ``[H, W, 3]``: amounts of light; changed.
        thing: what stands there.
        view: from the world to the image.
        light: of the scene, as it falls there.

    Returns:
        ``[H, W]``: where the thing covers the image.
    """
    height, width = canvas.shape[:2]
    covered = np.zeros((height, width), bool)
    ends = np.array([(thing.x, thing.y, 0), (thing.x, thing.y, thing.height)], np.float32)
    screen, depth = view.project(ends)
    if depth.min() < 0.3:
        return covered
    scale = view.pixels_per_metre(float(depth[0]))
    reach = 0.5 * thing.width * scale
    left, right = (float(screen[0, 0]) + side * reach for side in (-1, 1))
    first, last = max(int(np.ceil(left - 0.5)), 0), min(int(np.ceil(right - 0.5)), width)
    top, bottom = min(max(int(screen[1, 1]), 0), height), min(max(int(screen[0, 1]), 0), height)
    if first >= last or top >= bottom:
        return covered
    across = (np.arange(first, last, dtype=np.float32) + 0.5 - screen[0, 0]) / scale
    # Seen from above it is foreshortened.
    tall = float(screen[0, 1] - screen[1, 1]) / thing.height
    up = (float(screen[0, 1]) - np.arange(top, bottom, dtype=np.float32) - 0.5) / tall
    x, z = np.meshgrid(across, up)
    there, second, shade = KINDS[thing.kind][0](x, z, thing.width, thing.height)
    color = np.where(second[..., None], linear(thing.second), linear(thing.color))
    lit = shade[..., None] * np.array(light.direct, np.float32) * np.float32(0.7)
    lit = lit + (0.3 + 0.5 * shade[..., None]) * np.array(light.sky, np.float32)
    part = canvas[top:bottom, first:last]
    part[there] = (color * lit)[there]
    covered[top:bottom, first:last] = there
    return covered

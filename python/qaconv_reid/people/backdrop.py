"""What a camera sees where nobody walks: ground, walls, sky and things."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from qaconv_reid.people.fabric import noise_at
from qaconv_reid.people.kit import Array
from qaconv_reid.people.scenes import DOMAINS, spots
from qaconv_reid.people.streams import stream
from qaconv_reid.people.surface import linear
from qaconv_reid.people.things import draw_thing

__all__ = ["backdrop"]

#: Textures take coordinates on a plane, metres, and answer 0 to 1 between two colors and a
#: brightness.
Texture = Callable[[Array, Array], tuple[Array, Array]]


def _cells(u: Array, v: Array, wide: float, high: float, *, shifted: bool = False) -> Array:
    """A random number 0 to 1 for each cell of a grid."""
    row = np.floor(v / high)
    column = np.floor(u / wide + 0.5 * (row % 2) * shifted)
    value = np.sin(column * 12.9898 + row * 78.233) * 43758.547
    return np.asarray(value - np.floor(value), np.float32)


def _joints(
    u: Array, v: Array, wide: float, high: float, gap: float, *, shifted: bool = False
) -> Array:
    row = np.floor(v / high)
    x = (u / wide + 0.5 * (row % 2) * shifted) % 1 * wide
    return np.asarray((x < gap) | (v % high < gap), np.float32)


def _stains(u: Array, v: Array) -> Array:
    return 1 + 0.07 * noise_at(u * 14, v * 14) + 0.05 * noise_at(u * 90, v * 90, 8)


def _slabs(u: Array, v: Array) -> tuple[Array, Array]:
    share = 0.6 * _cells(u, v, 0.9, 0.6, shifted=True)
    share = np.where(_joints(u, v, 0.9, 0.6, 0.025, shifted=True) > 0, 1.3, share)
    return share, _stains(u, v)


def _tiles(u: Array, v: Array) -> tuple[Array, Array]:
    share = np.where(_joints(u, v, 0.4, 0.4, 0.02) > 0, 1.0, 0.4 * _cells(u, v, 0.4, 0.4))
    # The edge of the platform.
    stripe = np.abs(v - 7.0) < 0.12
    return np.where(stripe, -1.6, share), _stains(u, v)


def _lawn(u: Array, v: Array) -> tuple[Array, Array]:
    edge = 0.25 * noise_at(u * 20, v * 3)
    path = np.abs((u * 0.35 + v) % 9 - 4.5 + edge) < 2.4
    grass = 1 + 0.22 * noise_at(u * 60, v * 60) + 0.12 * noise_at(u * 200, v * 200, 8)
    return path.astype(np.float32), np.where(path, _stains(u, v), grass)


def _lino(u: Array, v: Array) -> tuple[Array, Array]:
    share = np.where(_joints(u, v, 1.2, 1.2, 0.012) > 0, 1.2, 0.3 * _cells(u, v, 1.2, 1.2))
    return share, _stains(u, v) + 0.05 * np.sin(v * 1.8)


def _facade(u: Array, v: Array) -> tuple[Array, Array]:
    x, y = u % 2.6, v % 3.2
    window = (x > 0.7) & (x < 1.9) & (y > 0.9) & (y < 2.6)
    ground_floor = v < 3.0
    window |= ground_floor & (x > 0.3) & (x < 2.2) & (v > 0.25) & (v < 2.6)
    glass = window * (0.5 + 0.5 * _cells(u, v, 2.6, 3.2))
    bricks = 0.10 * _cells(u, v, 0.25, 0.08, shifted=True)
    return np.where(window, glass, bricks), _stains(u, v)


def _platform(u: Array, v: Array) -> tuple[Array, Array]:
    x = u % 4.5
    sign = (x > 0.8) & (x < 3.4) & (v > 1.1) & (v < 2.3)
    lit = sign * (0.35 + 0.65 * _cells(u, v, 4.5, 5))
    tiles = np.where(_joints(u, v, 0.3, 0.15, 0.01, shifted=True) > 0, 0.12, 0.0)
    return np.where(sign, lit, tiles), _stains(u, v) * np.where(v < 1.0, 0.8, 1.0)


def _hedge(u: Array, v: Array) -> tuple[Array, Array]:
    leaves = noise_at(u * 160, v * 160)
    return np.clip(0.5 + 0.5 * leaves, 0, 1), 1 + 0.3 * noise_at(u * 500, v * 500, 8)


def _doors(u: Array, v: Array) -> tuple[Array, Array]:
    x = u % 3.4
    door = (x > 1.0) & (x < 1.95) & (v < 2.1)
    frame = (x > 0.93) & (x < 2.02) & (v < 2.17) & ~door
    rail = (np.abs(v - 0.95) < 0.06) & ~door
    board = (x > 2.3) & (x < 3.0) & (v > 1.2) & (v < 1.9)
    share = np.where(door, 0.7 + 0.4 * _cells(u, v, 3.4, 3), 0.0)
    share = np.where(frame | rail, 0.3, share)
    return np.where(board, 0.25 * _cells(u, v, 0.15, 0.2), share), _stains(u, v)


_TEXTURES: dict[str, Texture] = {
    "slabs": _slabs,
    "tiles": _tiles,
    "lawn": _lawn,
    "lino": _lino,
    "facade": _facade,
    "platform": _platform,
    "hedge": _hedge,
    "doors": _doors,
}


def _paint(texture: tuple[str, tuple[float, ...], tuple[float, ...]], u: Array, v: Array) -> Array:
    name, first, second = texture
    share, bright = _TEXTURES[name](u, v)
    one, other = linear(np.array(first)), linear(np.array(second))
    color = one + np.asarray(share, np.float32)[..., None] * (other - one)
    return np.clip(color, 0.004, 1) * np.asarray(bright, np.float32)[..., None]


@lru_cache(maxsize=24)
def backdrop(seed: int, domain: str, number: int) -> Array:
    """The light that falls into a camera of a domain, ``[H, W, 3]`` float16, its own pixels."""
    spot = spots(seed, DOMAINS[domain])[number]
    generator = stream(seed, "backdrop", domain, number)
    camera, place = spot.camera, spot.domain
    view = camera.view()
    x, y = np.meshgrid(
        np.arange(camera.width, dtype=np.float32) + 0.5,
        np.arange(camera.height, dtype=np.float32) + 0.5,
    )
    rays = view.rays(x, y)
    mount = np.float32(camera.place[2])
    light = spot.light()
    shift = generator.uniform(0, 50, 4).astype(np.float32)
    sun = max(float(light.direction()[2]), 0.0)
    flat = np.array(light.direct, np.float32) * sun + np.array(light.sky, np.float32)
    upright = 0.45 * np.array(light.direct, np.float32) + 0.6 * np.array(light.sky, np.float32)

    to_ground = np.where(rays[..., 2] < -1e-4, -mount / np.minimum(rays[..., 2], -1e-4), np.inf)
    to_wall = spot.wall_y / np.maximum(rays[..., 1], 1e-4)
    canvas = np.empty((*x.shape, 3), np.float32)
    canvas[:] = np.array(light.sky, np.float32) * np.float32(1.1)
    on_wall = (to_wall < to_ground) & (mount + to_wall * rays[..., 2] < place.wall_height)
    on_ground = to_ground < to_wall
    nearest = np.where(on_ground, to_ground, to_wall)
    if place.aisle:
        to_side = place.aisle / np.maximum(np.abs(rays[..., 0]), 1e-4)
        on_side = (to_side < nearest) & (mount + to_side * rays[..., 2] < place.wall_height)
        on_ground &= ~on_side
        on_wall &= ~on_side
        on_it = rays[on_side] * to_side[on_side][:, None]
        along = on_it[:, 1] + shift[2] + 7 * (on_it[:, 0] > 0)
        canvas[on_side] = _paint(place.wall, along, on_it[:, 2] + mount) * (0.85 * upright)
    hit: Array = rays[on_ground] * to_ground[on_ground][:, None]
    canvas[on_ground] = _paint(place.ground, hit[:, 0] + shift[0], hit[:, 1] + shift[1]) * flat
    hit = rays[on_wall] * to_wall[on_wall][:, None]
    canvas[on_wall] = _paint(place.wall, hit[:, 0] + shift[3], hit[:, 2] + mount) * upright
    # Large shadows and pools of light.
    pools = 1 + 0.10 * noise_at(x * 0.12 + shift[0] * 5, y * 0.12 + shift[1] * 5)
    canvas *= np.clip(pools, 0.6, 1.4)[..., None]
    for thing in sorted(spot.things, key=lambda thing: -thing.y):
        draw_thing(canvas, thing, view, light)
    return np.clip(canvas, 0, 8).astype(np.float16)

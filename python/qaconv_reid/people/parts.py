"""What is not body: skirts and coats, long hair, brims, bags and umbrellas, as meshes at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.people.kit import Array, Kit

__all__ = [
    "BAG",
    "BRIM",
    "DOUBLE_SIDED",
    "HAIR",
    "SKIRT",
    "UMBRELLA",
    "Piece",
    "brim",
    "bun",
    "long_hair",
    "pack",
    "skirt",
    "umbrella",
]

#: Parts of a person beside the body's own (kit.TORSO and so on).
SKIRT, HAIR, BAG, UMBRELLA, BRIM = range(6, 11)

#: Thin sheets: seen from both sides.
DOUBLE_SIDED = (SKIRT, HAIR, UMBRELLA, BRIM)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A mesh to be joined to a body at rest."""

    points: Array
    """``[V, 3]``: at rest; or, where there is an anchor, seen from that bone's joint."""
    faces: NDArray[np.int32]
    """``[T, 3]``."""
    part: int
    """SKIRT, HAIR, …"""
    weights: Array
    """``[V, J]``: skin weights."""
    anchor: int = -1
    """A bone whose joint it hangs from, upright whatever the bone does; -1 to be skinned."""


def _grid(rows: int, columns: int, *, closed: bool) -> NDArray[np.int32]:
    """Triangles of a grid of points, whose last column may meet its first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, 1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1], left[1:], right[1:], right[:-1]
    quads = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)
    return quads.astype(np.int32)


def _rigid(kit: Kit, count: int, bone: str) -> Array:
    weights = np.zeros((count, len(kit.parents)), np.float32)
    weights[:, kit.bones[bone]] = 1
    return weights


def _smooth(x: Array) -> Array:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def skirt(kit: Kit, top: float, hem: float, flare: float, ease: float) -> Piece:
    """A tube from the waist to a hem; a skirt, a dress's or a coat's lower part.

    Args:
        kit: the kit.
        top: height of its upper edge on the mean body, metres.
        hem: height of its lower edge.
        flare: metres that its radius grows with each metre down, beyond the hips.
        ease: metres of air around the hips.
    """
    rows, columns = 7, 20
    z = np.linspace(top, hem, rows, dtype=np.float32)[:, None]
    angle = np.linspace(0, 2 * np.pi, columns, endpoint=False, dtype=np.float32)[None]
    below = np.maximum(0.92 - z, 0)
    # The legs of the body at rest stand apart, so a tube around them widens.
    wide = np.interp(z, (0.5, 0.92, 1.05), (0.215, 0.19, 0.155)) + ease + flare * below
    deep = np.interp(z, (0.5, 0.92, 1.05), (0.135, 0.135, 0.115)) + ease + flare * below
    points = np.stack(
        np.broadcast_arrays(wide * np.sin(angle), -0.02 - deep * np.cos(angle), z), -1
    ).reshape(-1, 3)
    weights = np.zeros((len(points), len(kit.parents)), np.float32)
    thigh = 0.85 * _smooth((0.98 - points[:, 2]) / 0.35)
    left = _smooth((points[:, 0] + 0.12) / 0.24)
    weights[:, kit.bones["pelvis"]] = 1 - thigh
    weights[:, kit.bones["thigh_l"]] = thigh * left
    weights[:, kit.bones["thigh_r"]] = thigh * (1 - left)
    return Piece(points.astype(np.float32), _grid(rows, columns, closed=True), SKIRT, weights)


def long_hair(kit: Kit, length: float, volume: float) -> Piece:
    """A curtain of hair behind and beside the head.

    Args:
        kit: the kit.
        length: metres below the crown.
        volume: metres it stands off.
    """
    rows, columns = 7, 12
    z = np.linspace(1.785, 1.79 - length, rows, dtype=np.float32)[:, None]
    angle = np.linspace(-1.95, 1.95, columns, dtype=np.float32)[None]
    crown = np.sqrt(np.clip((1.80 - z) / 0.10, 0.05, 1))
    neck = _smooth((1.60 - z) / 0.2)
    wide = (0.082 + volume) * crown + 0.03 * neck
    deep = (0.105 + volume) * crown + 0.02 * neck
    points = np.stack(
        np.broadcast_arrays(wide * np.sin(angle), -0.05 + deep * np.cos(angle) + 0.03 * neck, z), -1
    ).reshape(-1, 3)
    weights = _rigid(kit, len(points), "head")
    chest = _smooth((1.58 - points[:, 2]) / 0.2)
    weights[:, kit.bones["head"]] = 1 - chest
    weights[:, kit.bones["spine_03"]] = chest
    return Piece(points.astype(np.float32), _grid(rows, columns, closed=False), HAIR, weights)


def _ball(center: tuple[float, ...], radii: tuple[float, ...], power: float) -> tuple[Array, Array]:
    """Points and triangles of an ellipsoid; a power below 1 makes it a rounded box."""
    rows, columns = 7, 12
    u = np.linspace(0.05, np.pi - 0.05, rows)[:, None]
    v = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    unit = np.stack(
        np.broadcast_arrays(np.sin(u) * np.cos(v), np.sin(u) * np.sin(v), np.cos(u)), -1
    ).reshape(-1, 3)
    shaped = np.sign(unit) * np.abs(unit) ** power
    points = np.asarray(center) + shaped * np.asarray(radii)
    return points.astype(np.float32), _grid(rows, columns, closed=True)  # type: ignore[return-value]


def bun(kit: Kit, high: bool) -> Piece:
    """Hair that is tied in a knot."""
    center = (0.0, 0.045, 1.77) if high else (0.0, 0.055, 1.66)
    points, faces = _ball(center, (0.045, 0.045, 0.045), 1.0)
    return Piece(points, faces.astype(np.int32), HAIR, _rigid(kit, len(points), "head"))


def brim(kit: Kit, reach: float, *, round_about: bool) -> Piece:
    """The brim of a cap, or of a hat where it goes round about."""
    span = np.pi if round_about else 1.15
    angle = np.linspace(-span, span, 17, dtype=np.float32)
    fade = (
        np.ones_like(angle)
        if round_about
        else np.sqrt(np.maximum(np.cos(angle / span * np.pi / 2), 0))
    )
    inner = np.stack([0.08 * np.sin(angle), -0.055 - 0.1 * np.cos(angle)], -1)
    outward = np.stack([np.sin(angle), -np.cos(angle)], -1)
    outer = inner + (reach * fade)[:, None] * outward
    points = np.concatenate(
        [np.c_[inner, np.full(17, 1.735)], np.c_[outer, np.full(17, 1.722)]]
    ).astype(np.float32)
    faces = _grid(2, 17, closed=False)
    return Piece(points, faces, BRIM, _rigid(kit, len(points), "head"))


def pack(kit: Kit, kind: str, size: float) -> Piece:
    """A bag.

    Args:
        kit: the kit.
        kind: ``backpack``, ``shoulder`` (at the hip) or ``hand`` (held in the left hand).
        size: 1 is usual.
    """
    if kind == "backpack":
        points, faces = _ball(
            (0.0, 0.115 + 0.07 * size, 1.28), (0.145 * size, 0.085 * size, 0.21 * size), 0.55
        )
        weights = _rigid(kit, len(points), "spine_03")
        return Piece(points, faces.astype(np.int32), BAG, weights)
    if kind == "shoulder":
        points, faces = _ball((0.215, 0.0, 0.93), (0.045, 0.14 * size, 0.11 * size), 0.5)
        return Piece(points, faces.astype(np.int32), BAG, _rigid(kit, len(points), "pelvis"))
    points, faces = _ball(
        (0.02, -0.03, -0.16 - 0.13 * size), (0.05, 0.15 * size, 0.13 * size), 0.45
    )
    weights = _rigid(kit, len(points), "hand_l")
    return Piece(points, faces.astype(np.int32), BAG, weights, kit.bones["hand_l"])


def umbrella(kit: Kit) -> Piece:
    """An open umbrella, held in the right hand."""
    rows, columns = 5, 16
    reach = np.linspace(0.02, 1, rows, dtype=np.float32)[:, None]
    angle = np.linspace(0, 2 * np.pi, columns, endpoint=False, dtype=np.float32)[None]
    scallop = 1 - 0.04 * np.cos(8 * angle) * reach
    dome = np.stack(
        np.broadcast_arrays(
            0.10 + 0.52 * reach * scallop * np.sin(angle),
            0.12 + 0.52 * reach * scallop * np.cos(angle),
            0.95 - 0.26 * reach**2,
        ),
        -1,
    ).reshape(-1, 3)
    rod = np.array([(x, 0.04 + x, z) for z in (-0.15, 0.95) for x in (-0.009, 0.0, 0.009)])
    rod[3:, :2] += (0.10, 0.10)
    points = np.concatenate([dome, rod]).astype(np.float32)
    faces = np.concatenate(
        [_grid(rows, columns, closed=True), _grid(2, 3, closed=False) + len(dome)]
    )
    weights = _rigid(kit, len(points), "hand_r")
    return Piece(points, faces.astype(np.int32), UMBRELLA, weights, kit.bones["hand_r"])

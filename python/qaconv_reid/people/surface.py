"""What a figure's surface looks like at a point: skin, hair, cloth, leather."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.people import parts
from qaconv_reid.people.fabric import noise_at, pattern
from qaconv_reid.people.figure import scalp
from qaconv_reid.people.kit import ARM, FOOT, HAND, HEAD, LEG, TORSO, Array
from qaconv_reid.people.look import Color, Garment, Look

__all__ = ["colors_at", "linear"]

Mask = NDArray[np.bool_]


def linear(color: Color | Array) -> Array:
    """Displayed values as amounts of light."""
    # The square is close to the usual curve and much faster than it, as is its root in `sensor`.
    return np.asarray(np.square(np.asarray(color, np.float32)), np.float32)


def _cloth(garment: Garment, u: Array, v: Array) -> Array:
    colors = linear(np.array(garment.colors, np.float32))
    return pattern(garment.pattern, u, v, garment.scale, garment.phase, garment.grain, colors)


def _around(place: Array) -> Array:
    """Metres around the trunk, 0 in front, about 0.4 behind."""
    return np.asarray(0.13 * np.arctan2(place[:, 0], -(place[:, 1] + 0.02)), np.float32)


def _face(place: Array, color: Array, look: Look) -> None:
    """Eyes, brows and mouth, painted on the skin's colors; a beard's shadow."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    front = y < -0.09
    eye = front & ((x - 0.032) ** 2 / 0.013**2 + (z - 1.686) ** 2 / 0.007**2 < 1)
    brow = front & (np.abs(x - 0.033) < 0.019) & (np.abs(z - 1.708) < 0.005)
    mouth = front & ((x / 0.024) ** 2 + ((z - 1.608) / 0.007) ** 2 < 1)
    color[eye] *= 0.22
    color[brow] = 0.35 * color[brow] + 0.65 * linear(look.hair_color)
    color[mouth] *= (0.72, 0.45, 0.45)
    if not look.female and look.bag_size > 1.05:
        beard = (z < 1.625) & (z > 1.545) & (y < -0.055) & ~mouth
        color[beard] = 0.45 * color[beard] + 0.55 * linear(look.hair_color)


def _head(place: Array, look: Look) -> Array:
    color = np.tile(linear(look.skin), (len(place), 1))
    _face(place, color, look)
    behind = scalp(place, look)
    streaks = 1 + 0.25 * noise_at(place[:, 0] * 900, place[:, 2] * 260)
    hair = behind > 0
    if look.hair != "bald":
        color[hair] = (linear(look.hair_color) * streaks[:, None])[hair]
    if look.hat in ("cap", "beanie", "hat"):
        covered = behind > (0.012 if look.hat == "cap" else 0.006)
        color[covered & (place[:, 2] > 1.69)] = linear(look.hat_color)
    elif look.hat == "hood":
        covered = (behind > -0.01) | (place[:, 1] > -0.04)
        color[covered] = linear(look.top.colors[0])
    collar = place[:, 2] < look.collar + 0.2 * (place[:, 1] + 0.03)
    color[collar] = linear(look.top.colors[0])
    return color


def _sew(place: Array, color: Array, front: Mask, look: Look) -> None:
    """Zip, pockets and ribs of an upper garment, over its cloth."""
    trim, x, z = look.trim, place[:, 0], place[:, 2]
    if trim.pockets:
        flap = front & (np.abs(np.abs(x) - 0.085) < 0.045) & (np.abs(z - 1.06) < 0.012)
        color[flap] *= 0.6
        if look.top.grain > 0.5:  # on the chest too
            color[front & (np.abs(np.abs(x) - 0.075) < 0.035) & (np.abs(z - 1.36) < 0.008)] *= 0.6
    if trim.ribs is not None:
        ribs = (z < max(look.hem, 0.9) + 0.045) | (z > look.collar - 0.05)
        color[ribs] = linear(trim.ribs)
    if trim.zip is not None and look.open_front == 0:
        color[front & (np.abs(x) < 0.008)] = linear(trim.zip)


def _trunk(place: Array, look: Look) -> Array:
    around = _around(place)
    color = _cloth(look.top, around, place[:, 2])
    front = place[:, 1] < -0.03
    _sew(place, color, front, look)
    if look.open_front > 0:
        # An open jacket: the strip is widest at the neck.
        wide = look.open_front * (0.5 + np.clip((place[:, 2] - 1.0) / 0.5, 0, 1))
        color[front & (np.abs(place[:, 0]) < wide)] = linear(look.inner)
    neckline = front & (place[:, 2] > look.collar - 0.035 + 1.2 * np.abs(place[:, 0]))
    color[neckline] = linear(look.inner if look.open_front > 0 else look.skin)
    if look.hem > 0.8:
        below = place[:, 2] < look.hem
        color[below] = _cloth(look.bottom, around[below], place[below, 2])
        belt = np.abs(place[:, 2] - look.hem) < 0.006
        color[belt] *= 0.5
    strap = np.zeros(len(place), bool)
    if look.bag == "backpack":
        strap = (np.abs(np.abs(place[:, 0]) - 0.105) < 0.024) & (place[:, 2] > 1.14)
        strap &= front | (place[:, 2] > 1.44)
    elif look.bag == "shoulder":
        # From the right shoulder to the left hip.
        strap = np.abs(place[:, 0] * 1.25 + place[:, 2] - 1.22) < 0.03
    color[strap] = linear(look.bag_color) * 0.8
    return color


def _arm(place: Array, limb: Array, look: Look) -> Array:
    color = _cloth(look.top, place[:, 1] + 0.1, 1.45 - 0.55 * limb)
    if look.trim.sleeves is not None:
        color[:] = linear(look.trim.sleeves)
    if look.trim.ribs is not None:
        color[limb > look.sleeve - 0.09] = linear(look.trim.ribs)
    color[limb > look.sleeve] = linear(look.skin)
    return color


def _leg(place: Array, limb: Array, look: Look) -> Array:
    side = np.sign(place[:, 0])
    around = np.arctan2(place[:, 0] - 0.14 * side, -(place[:, 1] + 0.02)) * np.float32(0.08)
    color = _cloth(look.bottom, around.astype(np.float32), place[:, 2])
    crease = 1 + 0.05 * noise_at(place[:, 0] * 200, place[:, 2] * 500)
    color *= crease[:, None]
    color[limb > look.bottom_end] = linear(look.skin)
    above = place[:, 2] > look.hem
    color[above] = _cloth(look.top, around[above].astype(np.float32), place[above, 2])
    if look.shaft < 0.97:
        color[limb > look.shaft] = linear(look.shoes)
    return color


def _foot(place: Array, look: Look) -> Array:
    color = np.tile(linear(look.shoes), (len(place), 1))
    color[place[:, 2] < 0.022] = linear(look.sole)
    return color


def colors_at(look: Look, part: NDArray[np.uint8], place: Array, limb: Array) -> Array:
    """The share of red, green and blue light that a surface gives back.

    Args:
        look: whose.
        part: ``[N]``: which part of the person the points lie on.
        place: ``[N, 3]``: where on the mean body.
        limb: ``[N]``: how far along arm or leg.

    Returns:
        ``[N, 3]``, 0 to 1.
    """
    color = np.empty((len(part), 3), np.float32)
    place = np.ascontiguousarray(place)
    # A face that reaches from the foot to the leg belongs to both.
    part = np.where((part == FOOT) & (place[:, 2] > 0.1), LEG, part)
    for kind in np.unique(part):
        own = np.flatnonzero(part == kind)
        at, along = place[own], limb[own]
        if kind == HEAD:
            color[own] = _head(at, look)
        elif kind == TORSO:
            color[own] = _trunk(at, look)
        elif kind == ARM:
            color[own] = _arm(at, along, look)
        elif kind == LEG:
            color[own] = _leg(at, along, look)
        elif kind == FOOT:
            color[own] = _foot(at, look)
        elif kind == HAND:
            color[own] = linear(look.skin)
        elif kind == parts.SKIRT:
            garment = look.top if look.hem < 0.8 else look.bottom
            sheet = _cloth(garment, _around(at), at[:, 2])
            folds = np.sin(np.arctan2(at[:, 0], at[:, 1]) * 14) * np.clip(1.05 - at[:, 2], 0, 1)
            sheet *= (1 + 0.16 * folds)[:, None]
            if look.hem < 0.8 and look.open_front > 0:
                slit = (np.abs(at[:, 0]) < 0.5 * look.open_front) & (at[:, 1] < 0)
                sheet[slit] = linear(look.inner) * 0.6
            color[own] = sheet
        elif kind == parts.HAIR:
            streaks = 1 + 0.3 * noise_at(np.arctan2(at[:, 0], at[:, 1]) * 90, at[:, 2] * 40)
            color[own] = linear(look.hair_color) * streaks[:, None]
        elif kind == parts.BRIM:
            color[own] = linear(look.hat_color) * 0.9
        elif kind == parts.UMBRELLA and look.umbrella is not None:
            rim = np.arctan2(at[:, 0] - 0.1, at[:, 1] - 0.12)
            sheet = _cloth(look.umbrella, rim.astype(np.float32) * 0.3, at[:, 2])
            sheet[at[:, 2] < 0.6] = 0.05
            color[own] = sheet
        else:
            seam = np.abs(np.abs(at[:, 2] - at[:, 2].mean()) - 0.05) < 0.006
            leather = np.tile(linear(look.bag_color), (len(at), 1))
            leather[seam] *= 0.55
            color[own] = leather
    return np.clip(color, 0, 1, out=color)

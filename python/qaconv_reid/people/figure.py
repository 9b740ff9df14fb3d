"""A person as a mesh: the body of a look, dressed, with everything that is carried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.people import parts
from qaconv_reid.people.kit import ARM, FOOT, HAND, HEAD, LEG, TORSO, Array, Kit
from qaconv_reid.people.look import Look
from qaconv_reid.people.pose import Gait, hanging, pose

__all__ = ["Figure", "Posed", "dress", "scalp", "walk"]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A dressed body at rest; V vertices, T triangles, J bones."""

    look: Look
    points: Array
    """``[V, 3]``: metres, at rest; seen from the anchor's joint where there is one."""
    weights: Array
    """``[V, J]``."""
    anchors: NDArray[np.int64]
    """``[V]``: the bone that a vertex hangs from, or -1."""
    faces: NDArray[np.int32]
    """``[T, 3]``."""
    part: NDArray[np.uint8]
    """``[T]``: kit.TORSO, …, parts.SKIRT, …"""
    double_sided: NDArray[np.bool_]
    """``[T]``."""
    place: Array
    """``[V, 3]``: where on the mean body it lies; what is worn there is told by it."""
    limb: Array
    """``[V]``: how far along arm or leg."""
    sky: Array
    """``[V]``: the share of the sky it sees."""
    joints: Array
    """``[J, 3]``: at rest."""
    hung: Array
    """``[J, 3, 3]``: the rotations that let its limbs hang."""


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A figure in one moment, facing -y, its place on the ground at the origin."""

    figure: Figure
    points: Array
    """``[V, 3]``."""
    normals: Array
    """``[V, 3]``: of length 1."""
    phase: float
    """Of the stride, 0 to 1: cloth falls by it."""


def scalp(place: Array, look: Look) -> Array:
    """How far, metres, points of the head lie behind the hairline; negative on the face."""
    lift = 0.0 if look.hair in ("short", "bald") else 0.012
    # A plane that leans from the forehead to the nape.
    return np.asarray(
        0.80 * (place[:, 2] - 1.742 + lift) + 0.60 * (place[:, 1] + 0.095), np.float32
    )


def _normals(points: Array, faces: NDArray[np.int32]) -> Array:
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    (ax, ay, az), (bx, by, bz) = (second - first).T, (third - first).T
    normals = np.empty_like(points)
    index = faces.T.ravel()
    for axis, area in enumerate((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)):
        normals[:, axis] = np.bincount(index, np.tile(area, 3), len(points))
    lengths = np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
    return np.asarray(normals / lengths[:, None], np.float32)


def _smoothed(points: Array, faces: NDArray[np.int32], share: Array) -> Array:
    """Points moved towards the mean of their neighbors, by a share each."""
    start = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    end = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    count = np.maximum(np.bincount(start, minlength=len(points)), 1)
    for _ in range(2):
        mean = np.stack(
            [np.bincount(start, points[end, axis], len(points)) / count for axis in range(3)], 1
        ).astype(np.float32)
        points = points + share[:, None] * (mean - points)
    return points


def _cloth(kit: Kit, look: Look, limb: Array) -> Array:
    """Metres that clothes, shoes and hair stand off the skin, at each vertex."""
    place, part = kit.mean, kit.part
    upper, lower = look.ease
    away = np.zeros(len(place), np.float32)
    torso = part == TORSO
    away[torso] = np.where(place[torso, 2] > min(look.hem, 1.0), upper, lower)
    sleeve = (part == ARM) & (limb < look.sleeve)
    away[sleeve] = 0.8 * upper
    leg = (part == LEG) & (limb < look.bottom_end)
    # Trousers hang from the hip: wider below.
    away[leg] = lower * (0.7 + 0.9 * limb[leg])
    away[(part == LEG) & (limb > look.shaft)] = 0.012
    away[part == FOOT] = 0.007
    thickness = {"bald": 0.0, "short": 0.008, "full": 0.024, "bob": 0.02}.get(look.hair, 0.016)
    if look.hat in ("cap", "beanie"):
        thickness = 0.016
    elif look.hat == "hat":
        thickness = 0.024
    elif look.hat == "hood":
        thickness = 0.034
    head = part == HEAD
    away[head] = thickness * np.clip(scalp(place[head], look) / 0.02 + 0.6, 0, 1)
    return away


def _pieces(kit: Kit, look: Look) -> list[parts.Piece]:
    pieces = []
    if look.hem < 0.8:
        pieces.append(parts.skirt(kit, 1.06, look.hem, 0.16, 0.75 * look.ease[0] + 0.012))
    if look.is_skirt:
        pieces.append(parts.skirt(kit, 1.03, 0.954 - 0.87 * look.bottom_end, 0.20, 0.014))
    if look.hat in ("none", "cap", "hat"):
        if look.hair == "bob":
            pieces.append(parts.long_hair(kit, 0.27, 0.022))
        elif look.hair == "long":
            pieces.append(parts.long_hair(kit, 0.46, 0.018))
        elif look.hair == "tail":
            pieces.append(parts.bun(kit, False))
        elif look.hair == "bun" and look.hat == "none":
            pieces.append(parts.bun(kit, True))
    if look.hat == "cap":
        pieces.append(parts.brim(kit, 0.075, round_about=False))
    elif look.hat == "hat":
        pieces.append(parts.brim(kit, 0.06, round_about=True))
    if look.bag != "none":
        pieces.append(parts.pack(kit, look.bag, look.bag_size))
    if look.umbrella is not None:
        pieces.append(parts.umbrella(kit))
    return pieces


def _clothed(points: Array, kit: Kit, away: Array) -> Array:
    loose = np.clip(away / 0.03, 0, 1) * (kit.part != HEAD)
    points = _smoothed(points, kit.faces, 0.6 * loose.astype(np.float32))
    return points + away[:, None] * _normals(points, kit.faces)


def _along_limbs(kit: Kit, place: Array) -> Array:
    """How far along arm or leg the places lie: 0 shoulder or hip, 1 wrist or ankle."""
    limb = np.zeros(len(place), np.float32)
    left = place[:, 0] > 0
    for own, side in ((left, "_l"), (~left, "_r")):
        for kinds, first, last in (
            ((ARM, HAND), "upperarm", "hand"),
            ((LEG, FOOT), "thigh", "foot"),
        ):
            start, end = (kit.joint_mean[kit.bones[name + side]] for name in (first, last))
            mask = own & np.isin(kit.part, kinds)
            axis = end - start
            limb[mask] = (place[mask] - start) @ axis / (axis @ axis)
    return limb


def dress(kit: Kit, look: Look) -> Figure:
    """The figure of a look."""
    points = kit.mean + np.tensordot(look.body, kit.blends, 1)
    joints = kit.joint_mean + np.tensordot(look.body, kit.joint_blends, 1)
    size = look.height / float(np.ptp(points[:, 2]))
    away = _cloth(kit, look, _along_limbs(kit, kit.mean))
    points = _clothed(points, kit, away)
    # Hems and patterns are told on the mean body in the same clothes: on the bare one they would
    # not run straight, as cloth moves its points along the body too.
    place = _clothed(kit.mean, kit, away)

    part = np.where((kit.part[kit.faces] == HAND).any(1), HAND, np.max(kit.part[kit.faces], axis=1))
    faces = kit.faces
    cover = [look.hem] if look.hem < 0.8 else []
    cover += [0.954 - 0.87 * look.bottom_end] if look.is_skirt else []
    if cover:
        # Legs under a skirt would come through it where it does not follow them.
        covered = (part == LEG) & (kit.mean[faces][:, :, 2].min(1) > min(cover) + 0.01)
        faces, part = faces[~covered], part[~covered]

    mean_top = float(np.ptp(kit.mean[:, 2]))
    girth = _girth(points, kit.part) / _girth(kit.mean, kit.part)
    meshes = [(points, kit.weights, np.full(len(points), -1), faces, part)]
    places, limbs, skies = [place], [_along_limbs(kit, place)], [kit.sky]
    before = len(points)
    for piece in _pieces(kit, look):
        own = piece.points
        if piece.anchor < 0:
            tall = float(np.ptp(points[:, 2])) / mean_top
            wide = girth if piece.part == parts.SKIRT else 1.0
            own = own * np.array((wide, wide, tall), np.float32)
        anchors = np.full(len(own), piece.anchor)
        kind = np.full(len(piece.faces), piece.part)
        meshes.append((own, piece.weights, anchors, piece.faces + before, kind))
        places.append(piece.points)
        limbs.append(np.zeros(len(own), np.float32))
        skies.append(np.full(len(own), 0.85, np.float32))
        before += len(own)
    all_points, weights, anchors, all_faces, kinds = (
        np.concatenate(column) for column in zip(*meshes, strict=True)
    )
    return Figure(
        look=look,
        points=(all_points * size).astype(np.float32),
        weights=weights,
        anchors=anchors,
        faces=all_faces.astype(np.int32),
        part=kinds.astype(np.uint8),
        double_sided=np.isin(kinds, parts.DOUBLE_SIDED),
        place=np.concatenate(places),
        limb=np.concatenate(limbs),
        sky=np.concatenate(skies),
        joints=(joints * size).astype(np.float32),
        hung=hanging(kit, joints),
    )


def _girth(points: Array, part: NDArray[np.uint8]) -> float:
    """The width of the hips, metres."""
    torso = points[part == TORSO]
    return float(np.ptp(torso[:, 0]))


def walk(kit: Kit, figure: Figure, phase: float, gait: Gait | None = None) -> Posed:
    """The figure at a phase of its stride, standing on the ground; by its own gait or another."""
    turned, places = pose(kit, figure.joints, figure.hung, gait or figure.look.gait, phase)
    offsets = places - np.einsum("jab,jb->ja", turned, figure.joints)
    transform = np.concatenate([turned, offsets[:, :, None]], 2).reshape(len(places), 12)
    blended = (figure.weights @ transform).reshape(-1, 3, 4)
    points = np.einsum("vab,vb->va", blended[:, :, :3], figure.points) + blended[:, :, 3]
    carried = figure.anchors >= 0
    points[carried] = figure.points[carried] + places[figure.anchors[carried]]
    points[:, 2] -= points[: len(kit.mean), 2].min()
    points = points.astype(np.float32)
    return Posed(figure, points, _normals(points, figure.faces), phase % 1)

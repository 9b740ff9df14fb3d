"""A walking skeleton: from a phase of the stride to a transform of each bone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qaconv_reid.people.kit import Array, Kit

__all__ = ["ARMS", "Arm", "Gait", "hanging", "pose", "rotations"]

#: What an arm does: ``swing`` goes with the stride.
Arm = Literal["swing", "front", "ear", "pocket", "back", "folded", "chest"]

#: The directions that upper and lower arm then point in, in the chest's frame: x away from the
#: body's middle, -y forward, z up.
ARMS: Mapping[Arm, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "front": ((0.10, -0.50, -0.85), (-0.10, -0.95, 0.20)),
    "ear": ((0.35, -0.55, -0.75), (-0.35, -0.10, 0.95)),
    "pocket": ((0.25, 0.25, -0.95), (-0.15, -0.35, -0.95)),
    "back": ((0.12, 0.40, -0.90), (-0.75, 0.30, -0.60)),
    "folded": ((0.15, -0.35, -0.90), (-0.85, -0.50, 0.15)),
    "chest": ((0.20, -0.40, -0.90), (-0.35, -0.35, 0.85)),
}

#: Each limb bone, the bone whose joint it points at, and how it hangs: the direction it has in a
#: body that stands, x to the left and away from the body.
_HANGING = (
    ("upperarm", "lowerarm", (0.16, 0.02, -1.0)),
    ("lowerarm", "hand", (0.06, -0.05, -1.0)),
    ("hand", "hand", (0.06, -0.05, -1.0)),
    ("thigh", "calf", (0.0, 0.0, -1.0)),
    ("calf", "foot", (0.0, 0.03, -1.0)),
)


@dataclass(frozen=True, slots=True)
class Gait:
    """How a person walks."""

    stride: float = 1.0
    """Factor on the angles of the legs."""
    swing: float = 1.0
    """Factor on those of the arms."""
    stoop: float = 0.0
    """Radians that the upper body leans forward."""
    left: Arm = "swing"
    right: Arm = "swing"
    look: float = 0.0
    """Radians that the head is turned to the left."""
    nod: float = 0.0
    """Radians that it looks down."""
    twist: float = 0.0
    """Radians that the chest is turned to the left."""


def rotations(vectors: Array) -> Array:
    """Rotation matrices ``[N, 3, 3]`` of rotation vectors ``[N, 3]``, in radians."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.maximum(angle, 1e-9)[:, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    eye = np.eye(3, dtype=np.float32)[None]
    return np.asarray(eye + sine * cross + (1 - cosine) * (cross @ cross), np.float32)


def _aligning(start: Array, end: Array) -> Array:
    """The smallest rotation that turns the direction ``start`` into ``end``."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis)
    vector = axis / max(float(sine), 1e-9) * np.arctan2(sine, start @ end)
    turn: Array = rotations(vector[None].astype(np.float32))[0]
    return turn


def hanging(kit: Kit, joints: Array) -> Array:
    """Rotations ``[J, 3, 3]`` that let the limbs of a body hang: it is at rest with arms spread.

    Args:
        kit: the kit.
        joints: ``[J, 3]``, the body's own, at rest.
    """
    turns = np.tile(np.eye(3, dtype=np.float32), (len(joints), 1, 1))
    for side, sign in (("_l", 1), ("_r", -1)):
        for name, towards, direction in _HANGING:
            start, end = kit.bones[name + side], kit.bones[towards + side]
            if start == end:  # the hand goes with the forearm
                turns[start] = turns[kit.bones["lowerarm" + side]]
                continue
            wanted = np.array((sign * direction[0], *direction[1:]), np.float32)
            turns[start] = _aligning(joints[end] - joints[start], wanted)
    return turns


def _hold(
    kit: Kit, local: Array, directions: tuple[tuple[float, ...], ...], side: str, sign: int
) -> None:
    """Turn an arm's bones against their parents so that they point in these directions."""
    hanging_to = {name: direction for name, _, direction in _HANGING}
    above = np.eye(3, dtype=np.float32)
    for name, direction in zip(("upperarm", "lowerarm"), directions, strict=True):
        start, end = (
            np.array((sign * x, y, z), np.float32) for x, y, z in (hanging_to[name], direction)
        )
        turn = _aligning(start, end)
        local[kit.bones[name + side]] = above.T @ turn
        above = turn


def pose(kit: Kit, joints: Array, hung: Array, gait: Gait, phase: float) -> tuple[Array, Array]:
    """Transforms of the bones of a body.

    Args:
        kit: the kit.
        joints: ``[J, 3]``, the body's own, at rest.
        hung: ``[J, 3, 3]``, of `hanging`.
        gait: how it walks.
        phase: of the stride; only its fraction counts.

    Returns:
        Rotations ``[J, 3, 3]`` and the joints' places ``[J, 3]``: a point at rest ``p`` of bone j
        goes to ``rotation[j] @ (p - joints[j]) + place[j]``.
    """
    frames = len(kit.gait)
    at = (phase % 1) * frames
    before = int(at) % frames
    share = np.float32(at - int(at))
    vectors = (1 - share) * kit.gait[before] + share * kit.gait[(before + 1) % frames]
    for name, bone in kit.bones.items():
        if name.startswith(("thigh", "calf", "foot")):
            vectors[bone] *= gait.stride
        elif "arm" in name:
            vectors[bone] *= gait.swing
    vectors[kit.bones["spine_01"], 0] += gait.stoop
    vectors[kit.bones["spine_02"], 2] += gait.twist
    vectors[kit.bones["neck_01"]] += (0.5 * gait.nod, 0, 0.4 * gait.look)
    vectors[kit.bones["head"]] += (0.5 * gait.nod, 0, 0.6 * gait.look)
    local = rotations(vectors)
    for arm, side, sign in ((gait.left, "_l", 1), (gait.right, "_r", -1)):
        if arm != "swing":
            _hold(kit, local, ARMS[arm], side, sign)
    count = len(joints)
    turned = np.empty((count, 3, 3), np.float32)
    whole = np.empty((count, 3, 3), np.float32)
    places = np.empty((count, 3), np.float32)
    for bone, parent in enumerate(kit.parents):
        if parent < 0:
            turned[bone], places[bone] = local[bone], joints[bone]
        else:
            turned[bone] = turned[parent] @ local[bone]
            places[bone] = places[parent] + whole[parent] @ (joints[bone] - joints[parent])
        whole[bone] = turned[bone] @ hung[bone]
    return whole, places

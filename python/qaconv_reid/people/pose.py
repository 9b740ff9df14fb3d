"""A walking skeleton: from a phase of the stride to a transform of each bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qaconv_reid.people.kit import Array, Kit

__all__ = ["Gait", "hanging", "pose", "rotations"]

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
    holds_up: bool = False
    """The right hand is held up in front, as with an umbrella or a telephone."""


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
    if gait.holds_up:
        vectors[kit.bones["upperarm_r"]] = (-0.5, 0.0, 0.0)
        vectors[kit.bones["lowerarm_r"]] = (-1.5, 0.0, 0.0)
    local = rotations(vectors)
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

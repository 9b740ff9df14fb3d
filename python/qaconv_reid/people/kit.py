"""The kit of bodies: a mesh, a linear space of adult shapes, a skeleton and a walk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARM", "FOOT", "HAND", "HEAD", "LEG", "TORSO", "Array", "Kit", "load_kit"]

Array = NDArray[np.floating[Any]]

#: Parts of the body: the values of `Kit.part`, in the order of the script that distils the kit.
TORSO, HEAD, ARM, HAND, LEG, FOOT = range(6)

_FILE = Path(__file__).parent / "assets" / "kit.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """V vertices, J bones, K shape blends, N bodies; metres, z up, the body faces -y."""

    mean: Array
    """``[V, 3]``: the mean body at rest, the ground at 0; patterns and hems are told by it."""
    joint_mean: Array
    """``[J, 3]``: where its bones begin."""
    blends: Array
    """``[K, V, 3]``: what a unit of each coefficient adds."""
    joint_blends: Array
    """``[K, J, 3]``."""
    bodies: Array
    """``[N, K]``: coefficients of bodies that were drawn."""
    female: NDArray[np.bool_]
    """``[N]``."""
    faces: NDArray[np.int32]
    """``[T, 3]``: triangles, counter-clockwise from outside."""
    parents: tuple[int, ...]
    """``[J]``: -1 for the pelvis; parents stand before their children."""
    bones: dict[str, int]
    """Name to number."""
    weights: Array
    """``[V, J]``: skin weights; rows sum to 1."""
    part: NDArray[np.uint8]
    """``[V]``: TORSO, HEAD, …"""
    sky: Array
    """``[V]``: the share of the sky that is seen from there."""
    gait: Array
    """``[F, J, 3]``: rotation vectors of one stride against the parent bone, limbs hanging."""


@lru_cache(maxsize=1)
def load_kit() -> Kit:
    """The kit that comes with the package; read once in a process."""
    with np.load(_FILE) as file:
        data = {name: file[name] for name in file.files}
    count, bones = len(data["mean"]), len(data["bone_names"])
    weights = np.zeros((count, bones), np.float32)
    rows = np.arange(count)[:, None]
    np.add.at(weights, (rows, data["weight_bones"]), data["weights"].astype(np.float32))
    return Kit(
        mean=data["mean"],
        joint_mean=data["joint_mean"],
        blends=data["blends"].astype(np.float32),
        joint_blends=data["joint_blends"].astype(np.float32),
        bodies=data["bodies"].astype(np.float32),
        female=data["female"].astype(bool),
        faces=data["faces"].astype(np.int32),
        parents=tuple(int(parent) for parent in data["bone_parents"]),
        bones={str(name): i for i, name in enumerate(data["bone_names"])},
        weights=weights / weights.sum(1, keepdims=True),
        part=data["part"],
        sky=data["sky"].astype(np.float32),
        gait=data["gait"],
    )

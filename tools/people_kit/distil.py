"""Distils the kit of virtual people from the body model `anny`: ``python distil.py KIT.npz``.

Run once, offline, in an environment of its own (README.md beside this file). What is kept is data
of the MakeHuman community (CC0): a mesh of some 1,200 vertices, a linear space of adult shapes and
bodies drawn from it, joints and skin weights.
The walk is this project's own (gait.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import anny
import numpy as np
import torch
from gait import walk

BODIES = 400
BLENDS = 20
#: Directions of the ambient occlusion.
RAYS = 96
#: Vertices this near to each other, metres, become one.
CELLS = {"hand": 0.035, "foot": 0.03}
#: Triangles whose corners see less of the sky lie within the body.
HIDDEN = 0.02
#: Bones that are kept; the weights of all others go to their nearest kept ancestor.
BONES = (
    *("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head"),
    *("clavicle_l", "upperarm_l", "lowerarm_l", "hand_l"),
    *("clavicle_r", "upperarm_r", "lowerarm_r", "hand_r"),
    *("thigh_l", "calf_l", "foot_l", "ball_l"),
    *("thigh_r", "calf_r", "foot_r", "ball_r"),
)
#: Which part of the body a bone's vertices belong to, as people/kit.py names them.
PARTS = ("torso", "head", "arm", "hand", "leg", "foot")


def part_of(bone: str) -> int:
    """The index in PARTS of a bone's vertices."""
    for name, part in (
        ("head", "head"),
        ("neck", "head"),
        ("arm", "arm"),
        ("hand", "hand"),
        ("thigh", "leg"),
        ("calf", "leg"),
        ("foot", "foot"),
        ("ball", "foot"),
    ):
        if name in bone:
            return PARTS.index(part)
    return PARTS.index("torso")


def draw_bodies(model: anny.Anny) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rest vertices ``[N, V, 3]``, joints ``[N, J, 3]`` and whether female, of adults."""
    generator = np.random.default_rng(0)
    gender = generator.random(BODIES)
    settings = {
        # 0 is male, 1 female. Few people stand in the middle.
        "gender": np.where(gender < 0.5, gender * 0.3, 1 - (1 - gender) * 0.3),
        # 1/3 is a child, 2/3 young, 1 old.
        "age": generator.uniform(0.58, 0.98, BODIES),
        "muscle": generator.uniform(0.2, 0.8, BODIES),
        "weight": np.clip(generator.normal(0.5, 0.2, BODIES), 0.1, 0.95),
        "height": np.clip(generator.normal(0.5, 0.07, BODIES), 0.3, 0.7),
        "proportions": generator.uniform(0.3, 0.9, BODIES),
    }
    kept = [model.bone_labels.index(name) for name in BONES]
    vertices, joints = [], []
    with torch.no_grad():
        for row in range(BODIES):
            values = {key: torch.tensor([float(v[row])]) for key, v in settings.items()}
            out = model(phenotype_kwargs=values)
            vertices.append(out["rest_vertices"][0].numpy())
            joints.append(out["rest_bone_heads"][0].numpy()[kept])
    return np.stack(vertices), np.stack(joints), (settings["gender"] > 0.5).astype(np.uint8)


def dense_weights(model: anny.Anny) -> np.ndarray:
    """Skin weights ``[V, J]`` of the kept bones."""
    labels, parents = model.bone_labels, model.bone_parents
    target = []
    for bone in range(len(labels)):
        at = bone
        while labels[at] not in BONES and parents[at] >= 0:
            at = parents[at]
        target.append(BONES.index(labels[at]) if labels[at] in BONES else 0)
    index = model.vertex_bone_indices.numpy()
    weight = model.vertex_bone_weights.numpy()
    dense = np.zeros((len(index), len(BONES)), np.float32)
    np.add.at(dense, (np.arange(len(index))[:, None], np.array(target)[index]), weight)
    return dense / dense.sum(1, keepdims=True)


def occlusion(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The share of the upper and side sky that a vertex sees, ``[V]``."""
    corner = vertices[faces]
    normal = np.zeros_like(vertices)
    cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    for k in range(3):
        np.add.at(normal, faces[:, k], cross)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    generator = np.random.default_rng(1)
    rays = generator.normal(size=(RAYS, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    edge1, edge2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    seen = np.zeros(len(vertices))
    total = np.zeros(len(vertices))
    origins = vertices + 0.004 * normal
    for ray in rays:
        p = np.cross(ray, edge2)
        determinant = (p * edge1).sum(1)
        inverse = 1 / np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
        facing = np.maximum(normal @ ray, 0)
        for block in np.array_split(np.nonzero(facing > 0)[0], 8):
            s = origins[block, None] - corner[None, :, 0]
            u = (s * p).sum(-1) * inverse
            q = np.cross(s, edge1[None])
            v = (q @ ray) * inverse
            t = (q * edge2).sum(-1) * inverse
            hit = ((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)).any(1)
            seen[block] += facing[block] * ~hit
            total[block] += facing[block]
    return (seen / np.maximum(total, 1e-9)).astype(np.float32)


def simplified(
    points: np.ndarray, faces: np.ndarray, part: np.ndarray, sky: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fewer vertices where an image of a pedestrian shows none: fingers, toes, mouth.

    Returns the vertices that stay ``[W]``, and triangles ``[U, 3]`` of their numbers.
    """
    target = np.arange(len(points))
    for name, cell in CELLS.items():
        own = np.nonzero(part == PARTS.index(name))[0]
        keys = np.floor(points[own] / cell).astype(int)
        _, group = np.unique(keys, axis=0, return_inverse=True)
        for number in range(group.max() + 1):
            members = own[group.ravel() == number]
            middle = points[members].mean(0)
            target[members] = members[np.linalg.norm(points[members] - middle, axis=1).argmin()]
    seen = (sky[faces] > HIDDEN).any(1)
    faces = target[faces[seen]]
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    )
    kept, faces = np.unique(faces[whole], return_inverse=True)
    return kept, faces.reshape(-1, 3)


def main() -> None:
    """Write the kit."""
    path = Path(sys.argv[1])
    model = anny.Anny(rig="game_engine", topology="notoes_collapse10pc")
    faces = model.get_triangular_faces().numpy().astype(np.int64)
    vertices, joints, female = draw_bodies(model)
    weights = dense_weights(model)
    part = np.array([part_of(BONES[i]) for i in weights.argmax(1)], np.uint8)
    sky = occlusion(vertices.mean(0).astype(np.float64), faces)
    kept, faces = simplified(vertices.mean(0), faces, part, sky)
    vertices, weights, part, sky = vertices[:, kept], weights[kept], part[kept], sky[kept]
    # The ground at 0, whatever the height.
    drop = vertices[:, :, 2].min(1)
    vertices[:, :, 2] -= drop[:, None]
    joints[:, :, 2] -= drop[:, None]

    both = np.concatenate([vertices, joints], 1)
    mean = both.mean(0)
    flat = (both - mean).reshape(BODIES, -1)
    _, _, basis = np.linalg.svd(flat, full_matrices=False)
    basis = basis[:BLENDS]
    coefficients = flat @ basis.T
    rest = flat - coefficients @ basis
    print(f"{BLENDS} blends leave {1000 * np.abs(rest).max():.1f} mm at most")
    blends = basis.reshape(BLENDS, *mean.shape)

    count = vertices.shape[1]
    order = np.argsort(-weights, axis=1)[:, :4]
    top = np.take_along_axis(weights, order, 1)
    arrays = {
        "mean": mean[:count].astype(np.float32),
        "joint_mean": mean[count:].astype(np.float32),
        "blends": blends[:, :count].astype(np.float16),
        "joint_blends": blends[:, count:].astype(np.float16),
        "bodies": coefficients.astype(np.float16),
        "female": female,
        "faces": faces.astype(np.uint16),
        "bone_names": np.array(BONES),
        "bone_parents": np.array(
            [
                max(
                    (
                        BONES.index(model.bone_labels[at])
                        for at in ancestors(model, name)
                        if model.bone_labels[at] in BONES
                    ),
                    default=-1,
                )
                for name in BONES
            ],
            np.int8,
        ),
        "weight_bones": order.astype(np.uint8),
        "weights": (top / top.sum(1, keepdims=True)).astype(np.float16),
        "part": part,
        "sky": sky.astype(np.float16),
        "gait": walk(BONES).astype(np.float32),
    }
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {count} vertices, {len(faces)} triangles")


def ancestors(model: anny.Anny, name: str) -> list[int]:
    """The bones above one, nearest first, up to the first that is kept."""
    at = model.bone_parents[model.bone_labels.index(name)]
    while at >= 0:
        if model.bone_labels[at] in BONES:
            return [at]
        at = model.bone_parents[at]
    return []


if __name__ == "__main__":
    main()

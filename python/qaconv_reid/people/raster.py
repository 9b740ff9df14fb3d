"""Which triangle is seen at each pixel: Pillow draws them, the farthest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from qaconv_reid.people.kit import Array

__all__ = ["barycentric", "draw_faces", "draw_outline"]


def draw_faces(
    screen: Array,
    depth: Array,
    faces: NDArray[np.int32],
    double_sided: NDArray[np.bool_],
    width: int,
    height: int,
) -> NDArray[np.int32]:
    """The number of the face that is seen at each pixel, -1 where none is, ``[height, width]``.

    Faces are drawn over each other in the order of their mean depth, which is right where they are
    small against their distances, as on a body, and spares a depth for each pixel.

    Args:
        screen: ``[V, 2]``, pixels.
        depth: ``[V]``, metres from the camera.
        faces: ``[T, 3]``.
        double_sided: ``[T]``: drawn although it is seen from its back.
        width: pixels of the image.
        height: pixels of the image.
    """
    corners = screen[faces].reshape(-1, 6)
    kept = np.nonzero((_outward(corners) | double_sided) & _inside(corners, width, height))[0]
    far = depth[faces[kept]] @ np.ones(3, np.float32)
    kept = kept[np.argsort(-far, kind="stable")]
    image = Image.new("I", (width, height), -1)
    polygon = ImageDraw.Draw(image).polygon
    for number, points in zip(kept.tolist(), corners[kept].tolist(), strict=True):
        polygon(points, fill=number)
    return np.asarray(image, np.int32)


def _outward(corners: Array) -> NDArray[np.bool_]:
    """Which of the triangles ``[T, 6]`` are seen from outside."""
    ax, ay, bx, by, cx, cy = corners.T
    # Pixels count downward, so that a face seen from outside turns the other way.
    return np.asarray((bx - ax) * (cy - ay) < (by - ay) * (cx - ax))


def _inside(corners: Array, width: int, height: int) -> NDArray[np.bool_]:
    """Which of the triangles ``[T, 6]`` may cover pixels."""
    ax, ay, bx, by, cx, cy = corners.T
    # Corner by corner: numpy is slow where it reduces over an axis of three.
    inside = (ax >= 0) | (bx >= 0) | (cx >= 0)
    inside &= (ay >= 0) | (by >= 0) | (cy >= 0)
    inside &= (ax < width) | (bx < width) | (cx < width)
    inside &= (ay < height) | (by < height) | (cy < height)
    return np.asarray(inside)


def barycentric(
    screen: Array,
    faces: NDArray[np.int32],
    face: NDArray[np.int32],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
) -> Array:
    """Weights ``[N, 3]`` of the corners of the faces, numbered ``[N]``, that pixels lie in."""
    ax, ay, bx, by, cx, cy = screen[faces].reshape(-1, 6).T
    ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
    area = ux * vy - uy * vx
    area = 1 / np.where(np.abs(area) < 1e-6, np.float32(1e-6), area)
    # In each face both are linear in x and y, so that their parts are made once a face.
    sx, sy, tx, ty = vy * area, -vx * area, -uy * area, ux * area
    table = np.stack([sx, sy, -(sx * ax + sy * ay), tx, ty, -(tx * ax + ty * ay)], 1)
    sx, sy, s, tx, ty, t = table.astype(np.float32)[face].T
    across, down = (x + 0.5).astype(np.float32), (y + 0.5).astype(np.float32)
    s = np.clip(s + sx * across + sy * down, 0, 1)
    t = np.clip(t + tx * across + ty * down, 0, 1)
    # A drawn edge reaches half a pixel beyond its face.
    over = np.maximum(s + t, 1)
    s /= over
    t /= over
    return np.stack([1 - s - t, s, t], 1)


def draw_outline(screen: Array, faces: NDArray[np.int32], width: int, height: int) -> Image.Image:
    """255 where any face that turns one way lies, 0 elsewhere: a shadow."""
    corners = screen[faces].reshape(-1, 6)
    image = Image.new("L", (width, height), 0)
    polygon = ImageDraw.Draw(image).polygon
    # A closed body covers the same with the faces of one side.
    for points in corners[_outward(corners) & _inside(corners, width, height)].tolist():
        polygon(points, fill=255)
    return image

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
    corner = screen[faces]
    ahead, aside = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0]
    low, high = corner.min(1), corner.max(1)
    inside = (high >= 0).all(1) & (low[:, 0] < width) & (low[:, 1] < height)
    # Pixels count downward, so that a face seen from outside turns the other way.
    kept = np.nonzero(((area < 0) | double_sided) & inside)[0]
    kept = kept[np.argsort(-depth[faces[kept]].mean(1), kind="stable")]
    image = Image.new("I", (width, height), -1)
    polygon = ImageDraw.Draw(image).polygon
    for number, points in zip(kept.tolist(), corner[kept].reshape(-1, 6).tolist(), strict=True):
        polygon(points, fill=number)
    return np.asarray(image, np.int32)


def barycentric(
    screen: Array, corners: NDArray[np.int32], x: NDArray[np.int64], y: NDArray[np.int64]
) -> Array:
    """Weights ``[N, 3]`` of the corners ``[N, 3]`` of the faces that pixels lie in."""
    a, b, c = screen[corners[:, 0]], screen[corners[:, 1]], screen[corners[:, 2]]
    u, v = b - a, c - a
    px, py = x + 0.5 - a[:, 0], y + 0.5 - a[:, 1]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    s = np.clip((px * v[:, 1] - py * v[:, 0]) / area, 0, 1)
    t = np.clip((py * u[:, 0] - px * u[:, 1]) / area, 0, 1)
    # A drawn edge reaches half a pixel beyond its face.
    over = np.maximum(s + t, 1)
    s, t = s / over, t / over
    return np.stack([1 - s - t, s, t], 1).astype(np.float32)


def draw_outline(screen: Array, faces: NDArray[np.int32], width: int, height: int) -> Image.Image:
    """255 where any face that turns one way lies, 0 elsewhere: a shadow."""
    corner = screen[faces]
    high, low = corner.max(1), corner.min(1)
    ahead, aside = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    # A closed body covers the same with the faces of one side.
    kept = ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0] < 0
    kept &= (high >= 0).all(1) & (low[:, 0] < width) & (low[:, 1] < height)
    image = Image.new("L", (width, height), 0)
    polygon = ImageDraw.Draw(image).polygon
    for points in corner[kept].reshape(-1, 6).tolist():
        polygon(points, fill=255)
    return image

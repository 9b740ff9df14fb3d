"""Draws figures into an image, with light, and their shadows on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from qaconv_reid.people.camera import View
from qaconv_reid.people.fabric import noise_at
from qaconv_reid.people.figure import Posed
from qaconv_reid.people.kit import Array
from qaconv_reid.people.raster import barycentric, draw_faces, draw_outline
from qaconv_reid.people.surface import colors_at

__all__ = ["Light", "Mask", "draw_person", "shadows"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of a scene; colors are amounts of red, green and blue."""

    towards: tuple[float, float, float]
    """The direction to the main light, of any length; z is up."""
    direct: tuple[float, float, float]
    """What the main light gives to a surface that faces it."""
    sky: tuple[float, float, float]
    """What comes from above on all sides."""
    ground: tuple[float, float, float]
    """What comes back from below."""
    softness: float
    """0 a hard shadow of the sun, 1 none to be seen."""

    def direction(self) -> Array:
        """Of length 1."""
        vector = np.array(self.towards, np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def draw_person(
    canvas: Array, posed: Posed, points: Array, turn: Array, view: View, light: Light
) -> Mask:
    """Draw a person over what the image holds.

    Args:
        canvas: ``[H, W, 3]``: amounts of light; changed.
        posed: the person.
        points: ``[V, 3]``: its points in the world.
        turn: ``[3, 3]``: the rotation from the figure to the world.
        view: from the world to the image.
        light: of the scene.

    Returns:
        ``[H, W]``: where the person covers the image.
    """
    height, width = canvas.shape[:2]
    covered = np.zeros((height, width), bool)
    figure = posed.figure
    screen, depth = view.project(points)
    if depth.min() < 0.3:
        return covered
    # Only the part of the image that the person covers is drawn.
    low = np.clip(np.floor(screen.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(screen.max(0)) + 1, 0, (width, height)).astype(int)
    if (high <= low).any():
        return covered
    ids = draw_faces(
        screen - low.astype(np.float32), depth, figure.faces, figure.double_sided, *(high - low)
    )
    y, x = np.nonzero(ids >= 0)
    if len(x) == 0:
        return covered
    face = ids[y, x]
    x, y = x + low[0], y + low[1]
    weight = barycentric(screen, figure.faces, face, x, y)
    attributes = np.concatenate(
        [posed.normals @ turn.T, figure.place, figure.limb[:, None], figure.sky[:, None]], 1
    )
    value = np.einsum("nk,nkc->nc", weight, attributes[figure.faces][face])
    normal, place, limb, sky = value[:, :3], value[:, 3:6], value[:, 6], value[:, 7]
    # Wrinkles and folds: cloth is not as smooth as a mesh, and falls anew with every stride.
    across, up = place[:, 0] * 420 + place[:, 1] * 300, place[:, 2] * 330
    normal[:, 2] += 0.10 * noise_at(across, up)
    fall = np.float32(posed.phase * 64)
    normal[:, 2] += 0.22 * noise_at(across * 0.35 + fall, up * 0.3 + 0.5 * across, 11)
    normal[:, 0] += 0.18 * noise_at(across * 0.5 + fall, up * 0.22, 12)
    normal /= np.sqrt(np.maximum(np.einsum("nc,nc->n", normal, normal), 1e-12))[:, None]
    away = (normal @ view.forward) > 0.15
    normal[away & figure.double_sided[face]] *= -1
    color = colors_at(figure.look, figure.part[face], place, limb)
    facing = normal @ light.direction()
    direct = np.clip((facing + 0.15) / 1.15, 0, 1) * np.clip(0.35 + 0.8 * sky, 0, 1)
    up = 0.5 + 0.5 * normal[:, 2]
    amounts = np.stack([direct, up * sky, (1 - up) * (0.3 + 0.7 * sky)], 1)
    color *= amounts @ np.array((light.direct, light.sky, light.ground), np.float32)
    canvas[y, x] = color
    covered[y, x] = True
    return covered


#: Shadows are drawn with this share of the image's pixels in each direction.
_COARSE = 0.5


def shadows(
    people: Sequence[tuple[Array, Posed]], view: View, light: Light, width: int, height: int
) -> Array | None:
    """How much of the main light people leave to the ground, ``[height, width]``, 0 to 1.

    Args:
        people: points ``[V, 3]`` in the world, and the person they are of.
        view: from the world to the image.
        light: of the scene.
        width: pixels of the image.
        height: pixels of the image.

    Returns:
        None where no shadow falls into the image.
    """
    coarse = view.window(0, 0, _COARSE)
    size = max(int(width * _COARSE), 1), max(int(height * _COARSE), 1)
    strength = 1 - 0.5 * light.softness
    left_over = None
    for points, posed in people:
        mask = _shadow(points, posed, coarse, light, size)
        if mask is not None:
            left = 1 - np.float32(strength / 255) * np.asarray(mask, np.float32)
            left_over = left if left_over is None else left_over * left
    if left_over is None:
        return None
    image = Image.fromarray(left_over).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)


def _shadow(
    points: Array, posed: Posed, view: View, light: Light, size: tuple[int, int]
) -> Image.Image | None:
    """255 where a person's shadow is deepest, 0 where there is none; None where none is seen."""
    direction = light.direction()
    slope = direction[:2] / max(float(direction[2]), 0.2)
    cast = points.copy()
    cast[:, :2] -= slope * points[:, 2:3]
    cast[:, 2] = 0
    screen, depth = view.project(cast)
    if depth.min() < 0.3:
        return None
    mask = draw_outline(screen, posed.figure.faces, *size)
    if mask.getbbox() is None:
        return None
    radius = (0.02 + 0.3 * light.softness) * view.pixels_per_metre(float(depth.mean()))
    return mask.filter(ImageFilter.BoxBlur(min(radius, 30)))

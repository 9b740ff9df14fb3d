"""From light to the image that a camera hands out."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from qaconv_reid.people.camera import Sensor
from qaconv_reid.people.kit import Array

__all__ = ["develop"]

_GRAY = np.array((0.299, 0.587, 0.114), np.float32)


def develop(
    light: Array,
    sensor: Sensor,
    size: tuple[int, int],
    corner: Array,
    generator: np.random.Generator,
) -> Image.Image:
    """The camera's image of some light.

    Args:
        light: ``[H, W, 3]``: amounts of light, in more pixels than the camera has.
        sensor: the camera's.
        size: width and height of the result, the camera's own pixels.
        corner: ``[height, width]``: squared distance from the middle of the camera's whole image,
            1 in its corners.
        generator: of the noise.
    """
    exposure = sensor.exposure * np.float32(np.exp(0.04 * generator.normal()))
    value = _gathered(light, size)
    value *= np.array(sensor.balance, np.float32) * exposure * np.float32(1 - sensor.haze)
    value *= (1 - sensor.vignette * corner)[..., None]
    value += np.float32(0.42 * sensor.haze)
    # Bright light is not cut off hard.
    over = np.maximum(value - np.float32(0.7), 0)
    value -= over * over / (np.float32(0.3) + over)
    shown = np.sqrt(value, out=value)
    if sensor.contrast != 1:
        shown = np.clip(0.5 + sensor.contrast * (shown - 0.5), 0, 1)
    if sensor.saturation != 1:
        gray = shown @ _GRAY
        shown = gray[..., None] + sensor.saturation * (shown - gray[..., None])
    image = Image.fromarray((np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8))
    if sensor.motion >= 1:
        image = _smear(image, sensor.motion)
    if sensor.blur > 0:
        image = image.filter(ImageFilter.GaussianBlur(sensor.blur))
    if sensor.noise > 0:
        pixels: Array = np.asarray(image, np.float32)
        grain = generator.standard_normal((*pixels.shape[:2], 1), np.float32)
        color = generator.standard_normal(pixels.shape, np.float32)
        # Dark tones are noisier.
        depth = sensor.noise * (1.35 - pixels / 255)
        pixels = pixels + depth * (0.75 * grain + 0.5 * color)
        image = Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
    return image


def _gathered(light: Array, size: tuple[int, int]) -> Array:
    """The light that falls into each of the camera's own pixels."""
    planes = [Image.fromarray(np.ascontiguousarray(light[..., i])) for i in range(3)]
    resized = [np.asarray(plane.resize(size, Image.Resampling.BOX)) for plane in planes]
    return np.stack(resized, 2)


def _smear(image: Image.Image, length: float) -> Image.Image:
    """Blur along x over some pixels."""
    pixels = np.asarray(image, np.float32)
    reach = length / 2
    shifts = np.linspace(-reach, reach, max(2, int(np.ceil(length)) + 1))
    total = np.zeros_like(pixels)
    columns = np.arange(pixels.shape[1])
    for shift in shifts:
        total += pixels[:, np.clip(np.round(columns + shift).astype(int), 0, len(columns) - 1)]
    return Image.fromarray((total / len(shifts) + 0.5).astype(np.uint8))

"""Cameras: where they stand, what they see and what they do to the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qaconv_reid.people.kit import Array

__all__ = ["Camera", "Sensor", "View"]


@dataclass(frozen=True, slots=True)
class Sensor:
    """What a camera does to the light that falls into it; the same for all of its images."""

    exposure: float
    balance: tuple[float, float, float]
    """Factors on red, green and blue."""
    contrast: float
    """1 is neutral."""
    saturation: float
    noise: float
    """Standard deviation, of 255, in the middle tones."""
    blur: float
    """Radius, pixels of the camera."""
    motion: float
    """Length, pixels of the camera, of what a walking person is smeared by."""
    quality: int
    """Of the JPEG compression."""
    vignette: float
    """Share of the light that is lost in the corners."""
    haze: float
    """Share of a gray veil."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that does not move; metres and radians, pixels of its own image."""

    place: tuple[float, float, float]
    azimuth: float
    """The direction it looks in, from the x axis towards y."""
    pitch: float
    """Upward positive."""
    focal: float
    """Pixels."""
    width: int
    height: int
    sensor: Sensor

    def view(self) -> View:
        """Its image, whole."""
        cosine, sine = np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array(
            (np.cos(self.azimuth) * cosine, np.sin(self.azimuth) * cosine, sine), np.float32
        )
        right = np.array((np.sin(self.azimuth), -np.cos(self.azimuth), 0), np.float32)
        return View(
            np.array(self.place, np.float32),
            right,
            np.cross(forward, right).astype(np.float32),
            forward,
            self.focal,
            (self.width / 2, self.height / 2),
        )


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A projection from the world to the pixels of an image."""

    place: Array
    right: Array
    down: Array
    forward: Array
    focal: float
    center: tuple[float, float]

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels ``[N, 2]`` and depths ``[N]`` of points ``[N, 3]``."""
        seen = points - self.place
        depth = seen @ self.forward
        scale = self.focal / np.maximum(depth, 1e-3)
        x = self.center[0] + scale * (seen @ self.right)
        y = self.center[1] + scale * (seen @ self.down)
        return np.stack([x, y], 1).astype(np.float32), depth.astype(np.float32)

    def rays(self, x: Array, y: Array) -> Array:
        """Directions ``[..., 3]``, depth 1, through pixels."""
        u, v = (x - self.center[0]) / self.focal, (y - self.center[1]) / self.focal
        return np.asarray(
            self.forward + u[..., None] * self.right + v[..., None] * self.down, np.float32
        )

    def window(self, left: float, top: float, scale: float) -> View:
        """The same from a corner on, with ``scale`` pixels for each."""
        center = ((self.center[0] - left) * scale, (self.center[1] - top) * scale)
        return View(self.place, self.right, self.down, self.forward, self.focal * scale, center)

    def pixels_per_metre(self, depth: float) -> float:
        """At a depth, metres."""
        return self.focal / depth

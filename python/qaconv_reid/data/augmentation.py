"""The random transforms of training, on a batch of any device, each image by its own draws.

They are those of the authors' release 2.1, in its order: pad with black and crop at random, flip,
rotate, jitter brightness, contrast, saturation and hue in random order, cover a square. Each does
to the whole numbers 0..255 what Pillow does, rounding included, so that a run learns from the same
images as with torchvision's transforms on Pillow images.

All draws are made on the CPU and sent in one piece: nothing here waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qaconv_reid.config import AugmentationConfig

__all__ = ["Augmentation"]

#: Width that ``padding`` is given for.
_REFERENCE_WIDTH = 128

#: What the color jitter consists of, by the number under which its order is drawn.
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)


class Augmentation:
    """Random transforms of images of one size, as the settings say.

    Args:
        config: which, and how strong.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """

    def __init__(self, config: AugmentationConfig, height: int, width: int) -> None:
        self.config = config
        self.height = height
        self.width = width
        # Scaled with the width: the crop moves a person by the same share whatever the size.
        self.padding = round(config.padding * width / _REFERENCE_WIDTH)

    def __call__(
        self, images: Tensor, entropy: Sequence[int], *, batch: int | None = None, first: int = 0
    ) -> Tensor:
        """Changed copies of images.

        Args:
            images: ``[B, 3, height, width]`` uint8, on any device.
            entropy: numbers >= 0 that decide the draws: the same ones, the same images.
            batch: images of the batch that these are a part of; None where they are all of it. A
                part gets what it would get within the whole.
            first: place of the first image in the batch.

        Returns:
            ``[B, 3, height, width]`` float32 in [0, 1], on the same device.
        """
        word = np.random.SeedSequence(list(entropy)).generate_state(1, np.uint64)[0]
        random = torch.Generator().manual_seed(int(word))
        own = slice(first, first + len(images))
        columns, order = self._draw(len(images) if batch is None else batch, random)
        order = order[own]  # [B, 4]
        # Per round the images by what is done to them, so that each color has one run of them.
        rows = order.argsort(dim=0, stable=True)
        counts = [torch.bincount(order[:, i], minlength=4).tolist() for i in range(4)]

        # Whole numbers in them are exact in float32, being far below 2^24.
        packed = torch.cat([*(part[own].float() for part in columns), rows.float()], dim=1)
        if images.device.type == "cuda":
            packed = packed.pin_memory().to(images.device, non_blocking=True)
        sizes = [part.shape[1] for part in columns]
        shift, flip, turn, factors, square, rows = torch.split(packed, [*sizes, 4], dim=1)

        pixels = self._move(images, shift, flip, turn).float()
        pixels = self._jitter(pixels, factors, rows.long(), counts)
        if self.config.occlusion:
            pixels = self._cover(pixels, square)
        return pixels / 255

    def _draw(self, batch: int, random: torch.Generator) -> tuple[list[Tensor], Tensor]:
        """Of each image: shift, flip, turn, factors, square; and the order of its colors."""
        corner, side = self._draw_square(batch, random)
        columns = [
            self._draw_crop(batch, random),  # [B, 2]
            (_uniform(batch, random) < self.config.flip)[:, None],
            self._draw_turn(batch, random),  # [B, 2]
            self._draw_factors(batch, random),  # [B, 4]
            torch.cat([corner, corner + side], dim=1),  # [B, 4]
        ]
        return columns, torch.rand(batch, 4, generator=random).argsort(dim=1)

    def _draw_crop(self, batch: int, random: torch.Generator) -> Tensor:
        """Rows and columns by which each image moves, ``[B, 2]`` in -padding..padding."""
        span = 2 * self.padding + 1
        return torch.randint(span, (batch, 2), generator=random) - self.padding

    def _draw_turn(self, batch: int, random: torch.Generator) -> Tensor:
        """Cosine and sine of each image's angle, ``[B, 2]``."""
        largest = math.radians(self.config.rotation)
        angles = (2 * _uniform(batch, random) - 1) * largest
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    def _draw_factors(self, batch: int, random: torch.Generator) -> Tensor:
        """Brightness, contrast, saturation, and the hue's turn in 256ths, ``[B, 4]``."""
        config = self.config
        factors = []
        for largest in (config.brightness, config.contrast, config.saturation):
            lowest = 1 / largest
            factors.append(lowest + (largest - lowest) * _uniform(batch, random))
        hue = (2 * _uniform(batch, random) - 1) * config.hue
        factors.append((hue * 255).trunc() % 256)
        return torch.stack(factors, dim=1)

    def _draw_square(self, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Top and left corner ``[B, 2]`` and side ``[B, 1]`` of the white squares.

        The side is uniform in the whole numbers below the largest, the corner uniform over all
        where the square lies inside.
        """
        largest = int(self.config.occlusion * min(self.height, self.width))
        side = (_uniform(batch, random) * max(largest, 1)).long()[:, None]
        room = torch.tensor([self.height, self.width]) - side + 1  # [B, 2]
        return (torch.rand(batch, 2, generator=random) * room).long(), side

    def _move(self, images: Tensor, shift: Tensor, flip: Tensor, turn: Tensor) -> Tensor:
        """Crop, flip and rotate by one look-up: where each pixel comes from."""
        config = self.config
        if not (self.padding or config.flip or config.rotation):
            return images
        height, width = self.height, self.width
        y = torch.arange(height, device=images.device, dtype=torch.float32)[None, :, None]
        x = torch.arange(width, device=images.device, dtype=torch.float32)[None, None, :]
        inside = torch.ones((), dtype=torch.bool, device=images.device)
        if config.rotation:
            # Nearest pixel, about the middle, counterclockwise: as Pillow's rotate.
            cosine, sine = turn[:, 0, None, None], turn[:, 1, None, None]
            dy, dx = y + 0.5 - height / 2, x + 0.5 - width / 2
            x = (cosine * dx - sine * dy + width / 2).floor()
            y = (sine * dx + cosine * dy + height / 2).floor()
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        flip = flip[:, :, None]  # 0 or 1
        x = x * (1 - 2 * flip) + flip * (width - 1) + shift[:, 1, None, None]
        y = y + shift[:, 0, None, None]
        inside = inside & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        source = ((y * width + x) * inside).long().flatten(1)[:, None]  # [B, 1, pixels]
        found = images.flatten(2).gather(2, source.expand(-1, 3, -1))
        return (found * inside.flatten(1)[:, None]).reshape(images.shape)

    def _jitter(
        self, pixels: Tensor, factors: Tensor, rows: Tensor, counts: list[list[int]]
    ) -> Tensor:
        """Colors, in each image's own order; ``pixels`` hold whole numbers in 0..255."""
        config = self.config
        on = (config.brightness > 1, config.contrast > 1, config.saturation > 1, config.hue > 0)
        if not any(on):
            return pixels
        for i, sizes in enumerate(counts):
            for kind, chosen in enumerate(torch.split(rows[:, i], sizes)):
                if on[kind] and len(chosen):
                    part, factor = pixels[chosen], factors[chosen, kind, None, None]
                    pixels[chosen] = _recolored(kind, part, factor)
        return pixels

    def _cover(self, pixels: Tensor, square: Tensor) -> Tensor:
        y = torch.arange(self.height, device=pixels.device)[None, :, None]
        x = torch.arange(self.width, device=pixels.device)[None, None, :]
        top, left, bottom, right = square[:, :, None, None].unbind(dim=1)
        covered = (y >= top) & (y < bottom) & (x >= left) & (x < right)  # [B, H, W]
        return pixels.masked_fill(covered[:, None], 255)


def _uniform(count: int, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random)


def _recolored(kind: int, pixels: Tensor, factor: Tensor) -> Tensor:
    """One step of the jitter on ``pixels [n, 3, H, W]``; ``factor`` is ``[n, 1, 1]``."""
    if kind == _HUE:
        return _turned(pixels, factor)
    if kind == _BRIGHTNESS:
        return (factor[:, None] * pixels).clamp_(0, 255).floor_()
    other = _gray(pixels)[:, None]  # [n, 1, H, W]
    if kind == _CONTRAST:
        other = (other.mean(dim=(2, 3), keepdim=True) + 0.5).floor_()
    return (other + factor[:, None] * (pixels - other)).clamp_(0, 255).floor_()


def _gray(pixels: Tensor) -> Tensor:
    """Luma of ITU-R 601 in 16 bits, as Pillow's mode L, ``[n, H, W]``."""
    red, green, blue = pixels.int().unbind(dim=1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).float()


def _turned(pixels: Tensor, turn: Tensor) -> Tensor:
    """The hue turned by ``turn`` 256ths of the circle, in Pillow's HSV of 8 bits each."""
    hues, weights = _hue_tables(pixels.device)
    red, green, blue = pixels.int().unbind(dim=1)  # [n, H, W]
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    # By sums and products and not by torch.where, which takes a CPU twenty times as long.
    by_red = (value == red).int()
    by_green = (value == green).int() * (1 - by_red)
    by_blue = 1 - by_red - by_green
    leader = by_green + 2 * by_blue
    lead = by_red * (green - blue) + by_green * (blue - red) + by_blue * (red - green)
    place = (leader * 256 + spread) * 511 + (lead + 255)
    hue = hues.index_select(0, place.flatten()).reshape(place.shape) + turn.int()
    hue = hue.bitwise_and_(255).flatten()
    amount = value.float()
    fall = (spread / value.clamp(min=1) * 255).floor_().mul_(amount / 255)
    channels = [
        amount - fall * weight.index_select(0, hue).reshape(fall.shape) for weight in weights
    ]
    return torch.stack(channels, dim=1).round_()


@cache
def _hue_tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """The hue in 256ths by the leading channel, the spread and the lead; a channel by the hue.

    The first, ``[3 · 256 · 511]``, is read off Pillow, whose hue is cut to a whole number: what is
    off by a rounding error would be off by one. The second, ``[3, 256]``, is how far red, green and
    blue fall behind the value at full saturation: not at all in their own third of the circle,
    wholly in the opposite one.
    """
    spread, lead = np.meshgrid(np.arange(256), np.arange(-255, 256), indexing="ij")
    lead = np.clip(lead, -spread, spread)
    # The two channels behind the leading one: the lower is `spread` below it, at 255.
    one = 255 + np.where(lead >= 0, lead - spread, -spread)
    other = one - lead
    channels = [np.full_like(one, 255), one, other]
    hues = []
    for leader in range(3):
        image = np.stack(channels[-leader:] + channels[:-leader], axis=-1).astype(np.uint8)
        hues.append(np.asarray(Image.fromarray(image).convert("HSV"))[..., 0])
    angle = torch.arange(256) * (6 / 255)
    behind = [2 - ((angle - own) % 6 - 3).abs() for own in (0, 2, 4)]
    return (
        torch.from_numpy(np.stack(hues).astype(np.int32).ravel()).to(device),
        torch.stack(behind).clamp_(0, 1).to(device),
    )

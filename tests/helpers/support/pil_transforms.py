"""The paper's training transforms by torchvision on Pillow images, one image at a time.

What `qaconv_reid.data.Augmentation` must have the distributions of.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from qaconv_reid.config import AugmentationConfig


class RandomOcclusion:
    """Cover a random place with a white square of a side below ``largest`` · the shorter side."""

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def __call__(self, image: Image.Image) -> Image.Image:
        side = _below(int(self.largest * min(image.size)))
        left, top = (_below(length - side + 1) for length in image.size)
        covered = image.copy()
        covered.paste((255, 255, 255), (left, top, left + side, top + side))
        return covered


def _below(limit: int) -> int:
    return int(torch.randint(limit, ())) if limit > 0 else 0


def pil_transform(config: AugmentationConfig, height: int, width: int) -> v2.Compose:
    """The transforms that the settings name, drawing from torch's global generator."""

    def factors(largest: float) -> tuple[float, float]:
        return 1 / largest, largest

    return v2.Compose(
        [
            v2.Pad(round(config.padding * width / 128)),
            v2.RandomCrop((height, width)),
            v2.RandomHorizontalFlip(config.flip),
            v2.RandomRotation(config.rotation),
            v2.ColorJitter(
                factors(config.brightness),
                factors(config.contrast),
                factors(config.saturation),
                (-config.hue, config.hue),
            ),
            RandomOcclusion(config.occlusion),
            v2.PILToTensor(),
        ]
    )


def pil_samples(config: AugmentationConfig, image: Tensor, count: int, seed: int) -> Tensor:
    """``[count, 3, H, W]`` uint8: one image ``[3, H, W]`` changed many times."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    transform = pil_transform(config, *image.shape[1:])
    torch.manual_seed(seed)
    return torch.stack([transform(picture) for _ in range(count)])

"""From a PIL image to what the network sees: float32 ``[3, height, width]`` in [0, 1].

No mean is subtracted and no deviation divided by, in training or in testing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

#: Height and width are those of the paper's release; ``padding`` is given for this width.
_REFERENCE_WIDTH = 128

_BRIGHTNESS = _CONTRAST = _SATURATION = (0.5, 2.0)
_HUE = (-0.1, 0.1)

ImageTransform = Callable[[Image.Image], Tensor]


class RandomOcclusion:
    """Cover a random place with a white square.

    Its side is uniform in the integers of [0, int(``largest`` * min(height, width))), its place
    uniform over all where it lies inside the image. Draws from torch's generator.
    """

    def __init__(self, largest: float = 0.8) -> None:
        if not 0 <= largest <= 1:
            raise ValueError(f"largest: got {largest}, wanted a fraction from 0 to 1")
        self.largest = largest

    def __call__(self, image: Image.Image) -> Image.Image:
        """A covered copy; ``image`` stays as it is."""
        side = _below(int(self.largest * min(image.size)))
        left, top = (_below(length - side + 1) for length in image.size)
        covered = image.copy()
        covered.paste((255, 255, 255), (left, top, left + side, top + side))
        return covered


def _below(limit: int) -> int:
    """A random integer in [0, limit); 0 where there is none."""
    return int(torch.randint(limit, ())) if limit > 0 else 0


def build_test_transform(height: int, width: int) -> ImageTransform:
    """Resize (bicubic) and convert."""
    _check_size(height, width)
    return _compose(_resize(height, width), *_to_tensor())


def build_train_transform(
    height: int,
    width: int,
    *,
    padding: int = 10,
    flip: float = 0.5,
    rotation: float = 5.0,
    occlusion: float = 0.8,
) -> ImageTransform:
    """The transforms of the paper's release 2.1, in its order.

    Resize (bicubic), pad with black and crop at random, flip, rotate, jitter the colours
    (brightness, contrast and saturation by a factor in [0.5, 2], hue by up to 0.1), cover a square,
    convert.

    Args:
        height: Of the result, in pixels.
        width: Of the result, in pixels.
        padding: On each side, in pixels of an image 128 wide: scaled with ``width``, so that the
            crop moves the person by the same share whatever the size.
        flip: Probability of a horizontal flip.
        rotation: Largest angle, in degrees.
        occlusion: Largest side of the white square, as a fraction of the shorter side.
    """
    _check_size(height, width)
    if padding < 0:
        raise ValueError(f"padding: got {padding}, wanted 0 or more pixels")
    return _compose(
        _resize(height, width),
        v2.Pad(round(padding * width / _REFERENCE_WIDTH)),
        v2.RandomCrop((height, width)),
        v2.RandomHorizontalFlip(flip),
        v2.RandomRotation(rotation),
        v2.ColorJitter(_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE),
        RandomOcclusion(occlusion),
        *_to_tensor(),
    )


def _check_size(height: int, width: int) -> None:
    for name, value in (("height", height), ("width", width)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, wanted at least 1 pixel")


def _resize(height: int, width: int) -> v2.Transform:
    return v2.Resize((height, width), interpolation=v2.InterpolationMode.BICUBIC)


def _to_tensor() -> tuple[v2.Transform, ...]:
    # ToPureTensor: torchvision's subclass of Tensor costs a Python call per op and confuses compile
    return v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.ToPureTensor()


def _compose(*steps: Callable[..., object]) -> ImageTransform:
    composed: ImageTransform = v2.Compose(steps)
    return composed

"""Images of records as tensors, for a ``torch.utils.data.DataLoader``.

What is random in training comes after, on the training device (`qaconv_reid.data.augmentation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from qaconv_reid.data.records import DataError, Record


def open_rgb(source: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """The whole image, decoded, in RGB.

    Args:
        source: a file, or an open one.
        name: of an open one, for messages.

    Raises:
        DataError: The file is missing, no image, or cut off.
    """
    try:
        with Image.open(source) as image:
            return image.convert("RGB")
    # Pillow's plug-ins raise SyntaxError and ValueError on broken headers, OSError on broken data.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name or source}: cannot be read as an image ({error})") from error


def read_image(record: Record) -> Image.Image:
    """The image of a record as its variant makes it, in RGB.

    Raises:
        DataError: as `open_rgb`.
    """
    image = open_rgb(record.path)
    return image if record.variant is None else record.variant.applied(image, record.path)


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """The images of records, resized (bicubic); item i is (image uint8 ``[3, height, width]``, i).

    Args:
        records: Which images.
        height: Of the images, in pixels.
        width: Of the images, in pixels.

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(self, records: Sequence[Record], height: int, width: int) -> None:
        for name, value in (("height", height), ("width", width)):
            if value < 1:
                raise ValueError(f"{name}: got {value}, wanted at least 1 pixel")
        self.records = tuple(records)
        self.height = height
        self.width = width

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = read_image(self.records[index])
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BICUBIC)
        # A copy: torch wants memory that it may write to.
        return torch.from_numpy(np.array(image)).permute(2, 0, 1), index

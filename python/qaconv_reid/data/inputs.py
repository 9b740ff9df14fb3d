"""Whatever somebody has as an image, as a network's input: files, folders, PIL images, arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from qaconv_reid.data.decoding import open_rgb, to_rgb
from qaconv_reid.data.layouts.naming import is_image
from qaconv_reid.data.loading import located
from qaconv_reid.data.records import DataError
from qaconv_reid.files import expanded
from qaconv_reid.packed import walk

__all__ = [
    "Box",
    "Crop",
    "ImageLike",
    "Images",
    "images_below",
    "input_batches",
    "list_inputs",
    "open_crop",
]

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image file, or all of it."""

    path: Path
    box: Box | None = None


ImageLike: TypeAlias = str | os.PathLike[str] | Crop | Image.Image | NDArray[Any] | Tensor
Images: TypeAlias = ImageLike | Sequence[ImageLike]


def images_below(folder: Path) -> list[Path]:
    """The image files in a folder and in all folders below it, sorted by path.

    Raises:
        DataError: there are none.
    """
    found = sorted(
        place / name for place, _, names in walk(folder) for name in names if is_image(name)
    )
    if not found:
        raise DataError(f"{folder}: got no image in it or below, wanted at least one")
    return found


def list_inputs(images: Images) -> list[ImageLike]:
    """One entry for each image; files are looked for, but not opened.

    Args:
        images: a file, a folder (every image below it, sorted), a PIL image, an array ``[H, W, 3]``
            or ``[N, H, W, 3]``, a tensor ``[3, H, W]`` or ``[N, 3, H, W]``, or a list of these;
            numbers are uint8 or floating in [0, 1].

    Raises:
        DataError: a file is not there, or a folder holds no image.
        TypeError, ValueError: something is no image; the message says which.
    """
    if isinstance(images, list | tuple):
        found = [item for number, entry in enumerate(images) for item in _expand(entry, number)]
    elif isinstance(images, Sequence) and not isinstance(images, str):
        return list_inputs(list(images))
    else:
        found = list(_expand(images, 0))
    if not found:
        raise ValueError("images: got none, wanted at least one")
    return found


def input_batches(
    items: Sequence[ImageLike], height: int, width: int, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images of the network's size and their numbers, for `qaconv_reid.models.extract_maps`.

    Resized as the images of a data set are, bicubic; what has the size already is not touched.

    Args:
        items: of `list_inputs`.
        height: pixels.
        width: pixels.
        batch: images at a time.

    Yields:
        ``[B, 3, height, width]`` uint8, or float32 in [0, 1] where one of them is floating, and
        ``[B]`` int64.

    Raises:
        DataError: a file cannot be read as an image.
    """
    if batch < 1:
        raise ValueError(f"batch_size: got {batch}, wanted at least 1")
    for start in range(0, len(items), batch):
        part = [_pixels(item, height, width) for item in items[start : start + batch]]
        if any(array.dtype != np.uint8 for array in part):
            part = [a.astype(np.float32) / 255 if a.dtype == np.uint8 else a for a in part]
        stacked = torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2)
        yield stacked, torch.arange(start, start + len(part))


def _expand(entry: object, number: int) -> Iterable[ImageLike]:
    if isinstance(entry, str | os.PathLike):
        path = located(expanded(entry))
        if path.is_dir():
            return list(images_below(path))
        if not path.is_file():
            raise DataError(f"{path}: there is no such file or folder, wanted an image")
        return [path]
    if isinstance(entry, Crop | Image.Image):
        return [entry]
    if isinstance(entry, np.ndarray | Tensor):
        return _expand_array(entry, number)
    raise TypeError(
        f"images: got {type(entry).__name__} as number {number}, wanted a path, a PIL image, an "
        "array or a tensor"
    )


def _expand_array(array: NDArray[Any] | Tensor, number: int) -> list[ImageLike]:
    """One image, or those of a batch."""
    tensor = isinstance(array, Tensor)
    channel = -3 if tensor else -1
    wanted = "[3, H, W] or [N, 3, H, W]" if tensor else "[H, W, 3] or [N, H, W, 3]"
    shape = tuple(array.shape)
    if len(shape) not in (3, 4) or shape[channel] != 3 or 0 in shape[-3:]:
        raise ValueError(f"images: got shape {list(shape)} as number {number}, wanted {wanted}")
    kind = str(array.dtype).removeprefix("torch.")
    if kind != "uint8" and not kind.startswith(("float", "bfloat")):
        raise TypeError(
            f"images: got {kind} as number {number}, wanted uint8 or floating in [0, 1]"
        )
    if kind != "uint8" and not bool(((array >= 0) & (array <= 1)).all()):
        raise ValueError(
            f"images: got numbers outside [0, 1] as number {number}, wanted uint8, or floating "
            "within"
        )
    return [array] if len(shape) == 3 else [array[i] for i in range(shape[0])]


def _pixels(item: ImageLike, height: int, width: int) -> NDArray[Any]:
    """``[height, width, 3]`` uint8, or float32 where the image is floating."""
    if isinstance(item, np.ndarray | Tensor):
        array = item.permute(1, 2, 0).cpu() if isinstance(item, Tensor) else item
        if isinstance(array, Tensor):
            array = (array if array.dtype == torch.uint8 else array.float()).numpy()
        if array.dtype != np.uint8:
            return _resized_floats(array.astype(np.float32), height, width)
        image = Image.fromarray(np.ascontiguousarray(array))
    elif isinstance(item, Image.Image):
        image = to_rgb(item)
    else:
        image = open_crop(item if isinstance(item, Crop) else Crop(Path(item)))
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(image)


def open_crop(crop: Crop) -> Image.Image:
    """A part of an image file, or all of it, in RGB.

    Raises:
        DataError: the file cannot be read as an image, or the box is not within it.
    """
    image = open_rgb(crop.path)
    if crop.box is None:
        return image
    left, top, width, height = crop.box
    if min(left, top) < 0 or left + width > image.width or top + height > image.height:
        raise DataError(
            f"{crop.path}: box: got {list(crop.box)} (left, top, width, height), wanted one within "
            f"the image of {image.width} × {image.height} pixels"
        )
    return image.crop((left, top, left + width, top + height))


def _resized_floats(array: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if array.shape[:2] == (height, width):
        return array
    planes = [
        Image.fromarray(np.ascontiguousarray(array[..., channel])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(3)
    ]
    # Bicubic overshoots at edges; of uint8 images PIL cuts that off itself.
    return np.stack([np.asarray(plane) for plane in planes], axis=-1).clip(0, 1)

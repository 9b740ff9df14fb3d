"""Where batches of training images come from: kept decoded and resized, or read when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from qaconv_reid.data.decoding import DECODING
from qaconv_reid.data.images import ImageDataset, ImageLoader
from qaconv_reid.data.records import DataError
from qaconv_reid.files import replaced, user_cache

__all__ = ["Cache", "ImageSource", "choose_cache", "open_source"]

Cache = Literal["auto", "device", "memory", "disk", "off"]

#: What an automatic choice may take of the memory that is free.
_SHARE = 0.25

#: Images read at a time while a cache is filled: progress is told after each such batch.
_FILL = 256

#: Part of the name of a cache file: to be changed with whatever changes its pixels or their order.
_VERSION = f"2/{DECODING}"

_Progress = Callable[[str, int, int], None]
_Notice = Callable[[str], None]


class ImageSource(Protocol):
    """Images of a data set, by their numbers."""

    about: str
    """Where they are kept, and what that takes."""

    def batches(self, indices: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """The images of each batch, ``[B, 3, height, width]`` uint8 on the training device."""


class _Kept:
    """Images that lie in one array, on the training device or elsewhere."""

    def __init__(self, images: Tensor, device: torch.device, about: str) -> None:
        self.images = images
        self.device = device
        self.about = about

    def batches(self, indices: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        for batch in indices:
            rows = self._sent(torch.tensor(batch, dtype=torch.long), self.images.device)
            yield self._sent(self.images[rows], self.device)

    @staticmethod
    def _sent(value: Tensor, device: torch.device) -> Tensor:
        # From pinned memory a copy does not wait for the device.
        pinned = value.pin_memory() if device.type == "cuda" and value.device != device else value
        return pinned.to(device, non_blocking=True)


class _Read:
    """Images that are decoded and resized each time; the processes that do it stay alive."""

    def __init__(
        self, dataset: ImageDataset, device: torch.device, workers: int, notice: _Notice | None
    ) -> None:
        self.device = device
        self.about = "images are read and decoded each time (data.cache=off)"
        #: What the next iteration of the loader reads.
        self._wanted: list[Sequence[int]] = []
        self._reader = ImageLoader(
            dataset,
            batches=self._wanted,
            workers=workers,
            persistent=True,
            pin=device.type == "cuda",
            notice=notice,
        )

    def batches(self, indices: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        self._wanted[:] = indices
        for images, _ in self._reader:
            yield images.to(self.device, non_blocking=True)


def open_source(
    dataset: ImageDataset,
    cache: Cache,
    *,
    device: torch.device,
    workers: int = 0,
    folder: Path | None = None,
    progress: _Progress | None = None,
    notice: _Notice | None = None,
) -> ImageSource:
    """The images of a data set, kept where ``cache`` says.

    A cache in memory or on the device is made by each run anew. A file is named by the paths,
    sizes and times of all images and by the size they are resized to: another image is another
    file, so that none is ever stale.

    Args:
        dataset: which images, and how large.
        cache: ``device``, ``memory``, ``disk``, ``off``, or ``auto`` for `choose_cache`.
        device: where batches are wanted.
        workers: processes that read.
        folder: of cache files, None for that of the user.
        progress: told of the images read.
        notice: told of each broken image that another took the place of.

    Raises:
        DataError: they need more room than there is, or one cannot be read.
    """
    if cache == "auto":
        cache = choose_cache(_size(dataset), device)
    if cache == "off":
        return _Read(dataset, device, workers, notice)
    reader = ImageLoader(dataset, batch_size=_FILL, workers=workers, notice=notice)
    if cache == "disk":
        place = folder or user_cache() / "images"
        images = _on_disk(dataset, place, reader, progress)
        return _Kept(images, device, f"images are kept in {place}{_replaced(reader)}")
    memory = device if cache == "device" else torch.device("cpu")
    wanted, free = _size(dataset), _free(memory)
    if free is not None and wanted > free:
        raise DataError(
            f"data.cache: got {cache}, which takes {_gigabytes(wanted)} of {_gigabytes(free)} "
            "free, wanted memory, disk or off"
        )
    shape = (len(dataset), 3, dataset.height, dataset.width)
    images = torch.empty(shape, dtype=torch.uint8, device=memory)
    for part, index in _read_all(reader, len(dataset), progress):
        images[index.to(memory)] = part.to(memory)
    where = "in memory" if memory.type == "cpu" else f"on {memory}"
    about = f"images are kept {where}, {_gigabytes(wanted)}{_replaced(reader)}"
    return _Kept(images, device, about)


def _replaced(reader: ImageLoader) -> str:
    count = len(reader.broken)
    return f"; {count} broken ones are replaced (data.broken=skip)" if count else ""


def choose_cache(size: int, device: torch.device) -> Cache:
    """The fastest place for so many bytes that are a quarter of what is free there, or none."""
    for cache, place in (("device", device), ("memory", torch.device("cpu"))):
        free = _free(place)
        if (
            free is not None
            and size <= _SHARE * free
            and (cache == "memory" or place.type != "cpu")
        ):
            return cache  # type: ignore[return-value]
    return "off"


def _size(dataset: ImageDataset) -> int:
    return len(dataset) * 3 * dataset.height * dataset.width


def _free(place: torch.device) -> int | None:
    """Bytes that are free, None where that cannot be told."""
    if place.type == "cuda":
        return torch.cuda.mem_get_info(place)[0]
    if place.type != "cpu":
        return None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    return int(line.split()[1]) * 1024


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.2g} MB"


def _read_all(
    reader: ImageLoader, total: int, progress: _Progress | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images, some at a time, with their numbers."""
    done = 0
    for images, index in reader:
        yield images, index
        done += len(index)
        if progress is not None:
            progress("reading images", done, total)


def _on_disk(
    dataset: ImageDataset, folder: Path, reader: ImageLoader, progress: _Progress | None
) -> Tensor:
    """The images in a file of that folder, which is made if it is not there."""
    path = folder / f"{_fingerprint(dataset)}.npy"
    shape = (len(dataset), 3, dataset.height, dataset.width)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        room = os.statvfs(folder)
        wanted, free = _size(dataset), room.f_bavail * room.f_frsize
        if wanted > free:
            raise DataError(
                f"data.cache: got disk, which takes {_gigabytes(wanted)} of {_gigabytes(free)} "
                f"free in {folder}, wanted data.cache_folder=… with more room, or off"
            )
        with replaced(path) as temporary:
            array = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            for images, index in _read_all(reader, len(dataset), progress):
                array[index.numpy()] = images.numpy()
            array.flush()
            del array
    # Private pages of the file: torch wants memory that it may write to, and nobody writes.
    images = torch.from_numpy(np.load(path, mmap_mode="c"))
    if reader.broken:
        # The next run is to be told as well. The pages remain for this one.
        path.unlink()
    return images


def _fingerprint(dataset: ImageDataset) -> str:
    digest = hashlib.sha256(f"{_VERSION} {dataset.height} {dataset.width}".encode())
    if dataset.replaces:
        digest.update(b"broken images replaced")
    for record in dataset.records:
        try:
            state = record.path.stat()
        except OSError as error:
            raise DataError(f"{record.path}: cannot be read ({error.strerror})") from None
        line = f"{record.path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\n"
        if record.variant is not None:
            line += f"{record.variant}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]

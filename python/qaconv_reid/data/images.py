"""Images of records as tensors, one by one or in batches that processes read.

What is random in training comes after, on the training device (`qaconv_reid.data.augmentation`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from qaconv_reid.data.decoding import open_rgb
from qaconv_reid.data.records import DataError, Record
from qaconv_reid.processes import cores

__all__ = ["ImageDataset", "ImageLoader", "read_image"]


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
        labels: One per record: a broken image is then replaced by the next one of its label that
            can be read, in the order of the records and from the last to the first. That depends
            on nothing but the files. None replaces none.

    Raises:
        ValueError: a size is below 1, or there are not as many labels as records.
    """

    def __init__(
        self,
        records: Sequence[Record],
        height: int,
        width: int,
        *,
        labels: Sequence[int] | None = None,
    ) -> None:
        for name, value in (("height", height), ("width", width)):
            if value < 1:
                raise ValueError(f"{name}: got {value}, wanted at least 1 pixel")
        if labels is not None and len(labels) != len(records):
            raise ValueError(f"labels: got {len(labels)}, wanted {len(records)} as records has")
        self.records = tuple(records)
        self.height = height
        self.width = width
        self.labels = labels
        self._alike: defaultdict[int, list[int]] = defaultdict(list)
        for number, label in enumerate(labels or ()):
            self._alike[label].append(number)

    @property
    def replaces(self) -> bool:
        """Whether broken images are replaced."""
        return self.labels is not None

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, broken = self.read(index)
        if image is None:
            raise DataError(broken[0])
        return image, index

    def read(self, index: int) -> tuple[Tensor | None, list[str]]:
        """The image, or that in its place, and what is wrong with each that could not be read.

        None where there is none to be had.
        """
        broken: list[str] = []
        for number in chain((index,), self._stand_ins(index)):
            try:
                return self._pixels(self.records[number]), broken
            except DataError as error:
                broken.append(str(error))
        return None, broken

    def _stand_ins(self, index: int) -> Iterator[int]:
        if self.labels is not None:
            alike = self._alike[self.labels[index]]
            place = alike.index(index)
            yield from (*alike[place + 1 :], *alike[:place])

    def _pixels(self, record: Record) -> Tensor:
        image = read_image(record)
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BICUBIC)
        # A copy: torch wants memory that it may write to.
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


class ImageLoader:
    """Batches of images that processes read, in order; iterated over again and again.

    An error of a process that reads is here what it was there: one sentence.

    Args:
        dataset: which images.
        workers: processes, no more than there are cores; 0 reads here.
        batch_size: images at a time.
        batches: instead of ``batch_size``, the numbers of the images of each batch; looked at when
            an iteration begins.
        pin: into pinned memory.
        persistent: the processes live on from one iteration to the next.
        notice: told of each broken image that another took the place of, once.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        workers: int = 0,
        batch_size: int = 1,
        batches: Sequence[Sequence[int]] | None = None,
        pin: bool = False,
        persistent: bool = False,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        how: dict[str, Any] = (
            {"batch_size": batch_size} if batches is None else {"batch_sampler": batches}
        )
        self.loader = DataLoader(
            _Reads(dataset),
            **how,
            # More of them only wait for each other, and torch warns of it, twice.
            num_workers=min(workers, cores()),
            pin_memory=pin,
            persistent_workers=persistent and workers > 0,
            collate_fn=_together,
            # A loader draws a seed for its workers: not from the generator of the run.
            generator=torch.Generator(),
        )
        self._notice = notice
        self.broken: dict[str, None] = {}
        """What was said of each broken image so far."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Images ``[B, 3, height, width]`` uint8 and their numbers ``[B]`` int64.

        Raises:
            DataError: an image cannot be read, nor any that could take its place.
        """
        for images, index, broken in self.loader:
            if images is None:
                raise DataError(broken[-1])
            for told in broken:
                if told not in self.broken:
                    self.broken[told] = None
                    self._tell(told)
            yield images, index

    def _tell(self, broken: str) -> None:
        if self._notice is not None:
            self._notice(
                f"{broken}: another image of that identity takes its place (data.broken=skip; "
                f"{len(self.broken)} so far)"
            )


class _Reads(Dataset[tuple[int, Tensor | None, list[str]]]):
    """What `ImageDataset.read` gives, with the number: an error is handed over, not raised."""

    def __init__(self, dataset: ImageDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[int, Tensor | None, list[str]]:
        image, broken = self._dataset.read(index)
        if image is None and len(broken) > 1:
            broken = [f"{broken[0]}, and no other image of that identity can be read"]
        return index, image, broken


def _together(
    items: Sequence[tuple[int, Tensor | None, list[str]]],
) -> tuple[Tensor | None, Tensor, list[str]]:
    index = torch.tensor([number for number, _, _ in items])
    for _, image, broken in items:
        if image is None:
            return None, index, broken[-1:]
    images = torch.stack([image for _, image, _ in items if image is not None])
    return images, index, [told for _, _, broken in items for told in broken]

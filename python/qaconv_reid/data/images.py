"""Images of records as tensors, for a ``torch.utils.data.DataLoader``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from qaconv_reid.data.records import DataError, Record


def open_rgb(path: Path) -> Image.Image:
    """The whole image, decoded, in RGB.

    Raises:
        DataError: The file is missing, no image, or cut off.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    # Pillow's plug-ins raise SyntaxError and ValueError on broken headers, OSError on broken data.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error})") from error


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """The images of records, transformed; item i is (image ``[3, H, W]``, i).

    With a seed, the random transforms of a batch are a function of the seed, the epoch and the
    batch's indices alone: the number of workers, the batches before it and a resumed run change
    nothing, and torch's global generator is left as it was. An image that occurs twice in a batch
    is transformed in two ways.

    Args:
        records: Which images.
        transform: From a PIL image to a float32 tensor; draws from torch's generator only.
        seed: None draws from torch's global generator.
    """

    def __init__(
        self,
        records: Sequence[Record],
        transform: Callable[[Image.Image], Tensor],
        *,
        seed: int | None = None,
    ) -> None:
        self.records = tuple(records)
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's random transforms; call before the loader's iterator is made.

        Persistent workers keep their own copy of the data set and do not see this.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        # DataLoader hands a whole batch here, which is what makes the seed a matter of the batch.
        if self.seed is None:
            return [self._item(index) for index in indices]
        with _seeded([self.seed, self.epoch, *indices]):
            return [self._item(index) for index in indices]

    def _item(self, index: int) -> tuple[Tensor, int]:
        return self.transform(open_rgb(self.records[index].path)), index


@contextmanager
def _seeded(entropy: Sequence[int]) -> Iterator[None]:
    """Seed torch's CPU generator from some numbers >= 0, and give it back as it was.

    Not ``torch.manual_seed``: it seeds the accelerators' generators too, which belong to training.
    """
    state = torch.get_rng_state()
    word = np.random.SeedSequence(list(entropy)).generate_state(1, np.uint64)[0]
    torch.default_generator.manual_seed(int(word))
    try:
        yield
    finally:
        torch.set_rng_state(state)

"""Feature maps of the images of a data set, with who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qaconv_reid.data import ImageDataset, ImageLoader, Record
from qaconv_reid.models import Progress, extract_maps
from qaconv_reid.ranks import Ranks

__all__ = ["FeatureSet", "extract"]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Maps of N images on the CPU, and what is known of each."""

    maps: Tensor
    """``[N, C, h, w]`` float32 or float16."""
    persons: tuple[int, ...]
    cameras: tuple[int | None, ...]
    times: tuple[float | None, ...]
    """Seconds on the clock of the camera."""

    @classmethod
    def of(cls, records: Sequence[Record], maps: Tensor) -> FeatureSet:
        """The maps ``[N, C, h, w]`` of N records, with what these know."""
        return cls(
            maps=maps,
            persons=tuple(record.person for record in records),
            cameras=tuple(record.camera for record in records),
            times=tuple(record.time for record in records),
        )

    def __len__(self) -> int:
        return len(self.persons)


def extract(
    network: nn.Module,
    records: Sequence[Record],
    height: int,
    width: int,
    *,
    batch: int = 64,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    autocast: torch.dtype | None = None,
    workers: int = 0,
    ranks: Ranks | None = None,
    into: Tensor | None = None,
    progress: Progress | None = None,
    what: str = "features",
) -> FeatureSet:
    """Read, resize and map the images of ``records``, in evaluation mode.

    Args:
        network: ``[B, 3, height, width]`` to ``[B, C, h, w]``, on ``device``.
        records: the images, at least one; the result keeps their order.
        height: pixels that images are resized to.
        width: pixels that images are resized to.
        batch: images at a time.
        device: where the network runs.
        dtype: type of the maps, ``torch.float32`` or ``torch.float16``.
        autocast: type to run the network in, None for the weights' own.
        workers: processes that read images; 0 reads them here.
        ranks: the processes of a distributed run, which divide whole batches among them and all
            get all maps.
        into: ``[N, C, h, w]`` of ``dtype`` on the CPU, to be filled from its first row on; None
            makes a new one. With several processes it is not used.
        progress: told after every batch.
        what: the name that ``progress`` is given.

    Raises:
        ValueError: there are no records.
        DataError: an image cannot be read.
    """
    if not records:
        raise ValueError("records: got none, wanted at least one image")
    ranks = ranks or Ranks()
    starts = range(0, len(records), batch)
    batches = [range(start, min(start + batch, len(records))) for start in starts]
    own = [records[place] for places in ranks.mine(batches) for place in places]
    loader = ImageLoader(
        ImageDataset(own, height, width),
        batch_size=batch,
        workers=workers,
        pin=torch.device(device).type == "cuda",
    )
    maps = (
        None
        if not own
        else extract_maps(
            network,
            loader,
            len(own),
            device=device,
            dtype=dtype,
            autocast=autocast,
            into=into if ranks.size == 1 else None,
            progress=progress,
            what=what,
        )
    )
    return FeatureSet.of(records, ranks.merged(maps, batches, torch.device("cpu")))

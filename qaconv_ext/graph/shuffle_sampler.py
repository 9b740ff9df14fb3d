from __future__ import annotations

import random
from collections.abc import Iterable

from qaconv_ext.graph._balance import Balance
from qaconv_ext.graph.epoch_batch_sampler import EpochBatchSampler


class ShuffleSampler(EpochBatchSampler):
    """All images in random order, cut into batches: the classes of a batch are left to chance.

    An epoch gives every image at most once; the ``images % batch_size`` left over, others every
    time, wait for another epoch. For losses that need no pairs within a batch: the class memory was
    trained so (release 1.2 of Liao & Shao, arXiv 1904.10424), and a classifier may be.

    Epochs, ranks and resuming: see `EpochBatchSampler`.

    Args:
        labels: one whole number per image of the data set, of any value and order.
        batch_size: images in a batch, on each rank.
        seed: of all random choices.
        groups: see `EpochBatchSampler`.
        rank: of this process.
        world_size: number of processes.

    Raises:
        TypeError, ValueError: an argument is not as described, there are fewer images than a batch
            holds, or fewer batches than ranks.
    """

    def __init__(
        self,
        labels: Iterable[int],
        batch_size: int,
        seed: int = 0,
        *,
        groups: Iterable[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(labels, batch_size, seed, groups=groups, rank=rank, world_size=world_size)
        if len(self._labels) < batch_size:
            raise ValueError(
                f"labels: got {len(self._labels)} images, wanted at least {batch_size}, for a batch"
            )
        self._check_ranks()
        self._balance = None if self._groups is None else Balance(self._groups, batch_size)

    def _batches_in_all(self) -> int:
        return len(self._labels) // self.batch_size

    def _draw(self, rng: random.Random) -> list[list[int]]:
        if self._balance is not None:
            return self._balance.batches(len(self) * self.world_size, rng)
        shuffled = rng.sample(range(len(self._labels)), len(self._labels))
        size = self.batch_size
        return [shuffled[i * size : (i + 1) * size] for i in range(len(self) * self.world_size)]

"""Batches of P classes with K images each: what graph and PK sampling have in common."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from qaconv_ext import _checks
from qaconv_ext.graph._balance import Balance
from qaconv_ext.graph.class_queues import ClassQueues
from qaconv_ext.graph.epoch_batch_sampler import EpochBatchSampler


class ClassBatchSampler(EpochBatchSampler):
    """A batch sampler: every batch is P classes of K images each.

    K is ``num_instances``, P is ``batch_size // num_instances``. Images of one class stand together
    in the batch. The queues, which give every image of a class before any repeats, go on from epoch
    to epoch, and are part of the state. Epochs, ranks and resuming: see `EpochBatchSampler`.

    Args:
        labels: one whole number per image of the data set, of any value and order.
        batch_size: images in a batch, on each rank; a multiple of ``num_instances``.
        num_instances: images of each class in a batch (K); repeated within a batch only where a
            class has fewer.
        seed: of all random choices.
        groups: see `EpochBatchSampler`; a class belongs to the group of its first image.
        cameras: one whole number per image. The images of a class in a batch are then of different
            cameras as far as possible, as retrieval is across cameras. None: in any order.
        rank: of this process.
        world_size: number of processes.

    Raises:
        TypeError, ValueError: an argument is not as described, there are fewer classes than a batch
            holds, or fewer batches than ranks.
    """

    def __init__(
        self,
        labels: Iterable[int],
        batch_size: int,
        num_instances: int,
        seed: int = 0,
        *,
        groups: Iterable[int] | None = None,
        cameras: Iterable[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(labels, batch_size, seed, groups=groups, rank=rank, world_size=world_size)
        of_cameras = self._per_image("cameras", cameras)
        batch_size = self.batch_size
        num_instances = _checks.whole_number("num_instances", num_instances, 1)
        if batch_size % num_instances:
            raise ValueError(
                f"batch_size: got {batch_size}, wanted a multiple of num_instances, which is "
                f"{num_instances}"
            )
        images: dict[int, list[int]] = {label: [] for label in sorted(set(self._labels))}
        for image, label in enumerate(self._labels):
            images[label].append(image)
        #: The labels that occur, ascending: class number c, wherever one is spoken of, is
        #: ``classes[c]``.
        self.classes = tuple(images)
        self.classes_per_batch = batch_size // num_instances
        self.num_instances = num_instances
        if len(self.classes) < self.classes_per_batch:
            raise ValueError(
                f"labels: got {len(self.classes)} classes, wanted at least "
                f"{self.classes_per_batch}, for a batch of {batch_size} images with "
                f"{num_instances} of each class"
            )
        self._images = list(images.values())
        #: The group of each class.
        self._class_groups: list[int] | None = None
        if self._groups is not None:
            self._class_groups = [self._groups[numbers[0]] for numbers in self._images]
        self._check_ranks()
        self._arguments["num_instances"] = num_instances
        self._queues = ClassQueues(self._images, of_cameras)
        self._balance = self._balanced()

    def _balanced(self) -> Balance | None:
        """What lets batches take equally from the groups; None where they do not."""
        if self._class_groups is None:
            return None
        return Balance(self._class_groups, self._drawn_together)

    @property
    def _drawn_together(self) -> int:
        """Classes of a batch that are drawn, and not found."""
        return self.classes_per_batch

    @abstractmethod
    def _classes_of_batches(self, rng: random.Random) -> list[list[int]]:
        """The class numbers of each batch of an epoch, in the order of training."""

    def _draw(self, rng: random.Random) -> list[list[int]]:
        chosen = self._classes_of_batches(rng)[: len(self) * self.world_size]
        return [
            [image for c in classes for image in self._queues.draw(c, self.num_instances, rng)]
            for classes in chosen
        ]

    def _more_state(self) -> dict[str, Any]:
        return {"queues": self._queues.state()}

    def _load_more(self, state: dict[str, Any]) -> None:
        self._queues.load(state["queues"])

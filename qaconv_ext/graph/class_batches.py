"""Batches of P classes with K images each: what graph and PK sampling have in common."""

from __future__ import annotations

import operator
import random
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.utils.data import Sampler

from qaconv_ext.graph.deck import ClassDecks


class ClassBatchSampler(Sampler[list[int]], ABC):
    """A batch sampler: every batch is ``batch_size // instances`` classes of ``instances`` images.

    Give it to a loader as ``DataLoader(dataset, batch_sampler=sampler)``. Images of one class are
    neighbours in the batch.

    **Epochs.** Each iteration is one epoch, numbered from 0; `set_epoch` chooses the number, and an
    iteration without it goes on to the next. The draws of an epoch depend on ``seed`` and its
    number only; the decks, which deal every image of a class before any repeats, go on from
    epoch to epoch.

    **Resuming.** `state_dict` holds the decks and the batches of the current epoch, `position`
    of which the trainer has done. The trainer says how many, for the sampler cannot know: a loader
    with workers fetches batches ahead. After `load_state_dict` the next iteration gives the rest
    of that epoch, exactly.

    **Ranks.** All ranks deal the same batches of an epoch and each takes every world_size-th, so
    the shares are disjoint and of equal length; up to world_size - 1 batches that do not fill a
    round are left out, before images are dealt to them. The state is the same on every rank.

    Args:
        labels: one whole number per image of the data set, of any value and order.
        batch_size: images in a batch, on each rank; a multiple of ``instances``.
        instances: images of each class in a batch (K); repeated within a batch only where a class
            has fewer.
        seed: of all random choices.
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
        instances: int,
        seed: int = 0,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__()
        numbers = _whole_numbers(labels)
        _check_sizes(batch_size, instances, rank, world_size)
        images: dict[int, list[int]] = {label: [] for label in sorted(set(numbers))}
        for image, label in enumerate(numbers):
            images[label].append(image)
        #: The labels that occur, ascending: class number c, wherever one is spoken of, is
        #: ``classes[c]``.
        self.classes = tuple(images)
        self.classes_per_batch = batch_size // instances
        self.instances = instances
        self.rank = rank
        self.world_size = world_size
        if len(self.classes) < self.classes_per_batch:
            raise ValueError(
                f"labels: got {len(self.classes)} classes, wanted at least "
                f"{self.classes_per_batch}, for a batch of {batch_size} images with {instances} of "
                "each class"
            )
        if len(self) == 0:
            raise ValueError(
                f"world_size: got {world_size} ranks for {self._batches_in_all()} batches an "
                "epoch, wanted at least one batch for each rank"
            )
        self._seed = operator.index(seed)
        self._images = list(images.values())
        self._decks = ClassDecks(self._images)
        #: What a saved state must agree with to be of use here.
        self._arguments: dict[str, int] = {
            "images": len(numbers),
            "labels": zlib.crc32(repr(numbers).encode()),
            "batch_size": batch_size,
            "instances": instances,
            "seed": self._seed,
            "world_size": world_size,
        }
        self._epoch = 0
        self._batches: list[list[int]] | None = None  # the epoch's, of all ranks, once dealt
        self._position = 0  # where the next iteration starts
        self._begun = False

    @abstractmethod
    def _batches_in_all(self) -> int:
        """Batches of an epoch before they are shared among the ranks: constant."""

    @abstractmethod
    def _classes_of_batches(self, rng: random.Random) -> list[list[int]]:
        """The class numbers of each batch of an epoch, in the order of training."""

    def __len__(self) -> int:
        """Batches of an epoch on this rank: constant, also where an epoch is resumed midway."""
        return self._batches_in_all() // self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Begin an epoch, and deal its batches unless they are there already."""
        # A generator, so that the epoch begins with the first batch asked for: a loader with
        # workers calls iter() twice and throws one away.
        if self._begun:
            self.set_epoch(self._epoch + 1)
        if self._batches is None:
            self._batches = self._deal()
        # Only now: an iteration that failed, in the graph say, can be tried again.
        self._begun = True
        share = self._batches[self.rank :: self.world_size]
        start, self._position = self._position, 0
        for batch in share[start:]:
            yield list(batch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration.

        The epoch in progress starts again with the batches it had; one just loaded by
        `load_state_dict` goes on at its position; any other is dealt anew.
        """
        if operator.index(epoch) < 0:
            raise ValueError(f"epoch: got {epoch}, wanted 0 or more")
        if epoch != self._epoch:
            self._batches = None
            self._position = 0
        self._epoch = epoch
        self._begun = False

    def state_dict(self, *, position: int) -> dict[str, Any]:
        """All that a later process needs to go on, as lists and numbers that JSON can hold.

        Args:
            position: batches of the current epoch that this rank has trained on, counted from the
                epoch's start (also where it was resumed midway): 0 to ``len(self)``.

        Raises:
            ValueError: the position is out of range, or not 0 before the epoch has begun.
        """
        limit = 0 if self._batches is None else len(self)
        if not 0 <= position <= limit:
            raise ValueError(
                f"position: got {position}, wanted 0..{limit}"
                + ("" if limit else " as the epoch has not begun")
            )
        return {
            "arguments": dict(self._arguments),
            "epoch": self._epoch,
            "position": position,
            "batches": None if self._batches is None else [list(batch) for batch in self._batches],
            "decks": self._decks.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a sampler made with the same arguments, on any rank.

        Raises:
            ValueError: the state lacks an entry, or was made with other arguments.
        """
        missing = {"arguments", "epoch", "position", "batches", "decks"} - set(state)
        if missing:
            raise ValueError(f"state: got no {', '.join(sorted(missing))}, wanted a state_dict()")
        for name, wanted in self._arguments.items():
            got = state["arguments"].get(name)
            if got != wanted:
                what = "other labels" if name == "labels" else f"{name} {got}"
                own = "those of this sampler" if name == "labels" else f"{wanted}"
                raise ValueError(f"state: got {what}, wanted {own}")
        batches = state["batches"]
        in_all = 0 if batches is None else len(self) * self.world_size
        if len(batches or ()) != in_all or not 0 <= state["position"] <= in_all // self.world_size:
            raise ValueError(
                f"state: got {len(batches or ())} batches and position {state['position']}, wanted "
                f"{in_all} and a position among them"
            )
        self._decks.load(state["decks"])
        self._batches = None if batches is None else [list(batch) for batch in batches]
        self._epoch = state["epoch"]
        self._position = state["position"]
        self._begun = False

    def _deal(self) -> list[list[int]]:
        # Text as seed: hashed by sha512, so seed 1 in epoch 2 has nothing to do with seed 2 in 1.
        rng = random.Random(f"{self._seed}/{self._epoch}")
        chosen = self._classes_of_batches(rng)[: len(self) * self.world_size]
        return [
            [image for c in classes for image in self._decks.deal(c, self.instances, rng)]
            for classes in chosen
        ]


def _whole_numbers(labels: Iterable[int]) -> list[int]:
    # A tensor or an array is read at once, and not element by element.
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    numbers = []
    for value in values:
        try:
            numbers.append(operator.index(value))
        except TypeError:
            raise TypeError(f"labels: got {value!r}, wanted whole numbers, one per image") from None
    return numbers


def _check_sizes(batch_size: int, instances: int, rank: int, world_size: int) -> None:
    for name, value in (("batch_size", batch_size), ("instances", instances)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, wanted 1 or more")
    if batch_size % instances:
        raise ValueError(
            f"batch_size: got {batch_size}, wanted a multiple of instances, which is {instances}"
        )
    if world_size < 1:
        raise ValueError(f"world_size: got {world_size}, wanted 1 or more")
    if not 0 <= rank < world_size:
        raise ValueError(f"rank: got {rank}, wanted 0..{world_size - 1}")

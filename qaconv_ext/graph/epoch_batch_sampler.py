"""Batches of an epoch, drawn at once: numbered epochs, ranks, resuming of every batch sampler."""

from __future__ import annotations

import random
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.utils.data import Sampler

from qaconv_ext import _checks

#: Arguments of which a state has a checksum.
_CHECKSUMS = ("labels", "groups", "cameras")


class EpochBatchSampler(Sampler[list[int]], ABC):
    """A batch sampler whose epochs are a function of a seed and their numbers.

    Give it to a loader as ``DataLoader(dataset, batch_sampler=sampler)``.

    **Epochs.** Each iteration is one epoch, numbered from 0; `set_epoch` chooses the number, and an
    iteration without it goes on to the next. The draws of an epoch depend on ``seed`` and its
    number only.

    **Resuming.** `state_dict` holds the batches of the current epoch, `position` of which the
    trainer has done. The trainer says how many, for the sampler cannot know: a loader with workers
    fetches batches ahead. After `load_state_dict` the next iteration gives the rest of that epoch,
    exactly.

    **Ranks.** All ranks draw the same batches of an epoch and each takes every world_size-th, so
    the shares are disjoint and of equal length; up to world_size - 1 batches that do not fill a
    round are left out, before images are drawn for them. The state is the same on every rank.

    Args:
        labels: one whole number per image of the data set, of any value and order.
        batch_size: images in a batch, on each rank.
        seed: of all random choices.
        groups: one whole number per image, such as that of its data set: batches take equally from
            all groups. None takes from all images alike.
        rank: of this process.
        world_size: number of processes.

    Raises:
        TypeError, ValueError: an argument is not as described, or there are fewer batches than
            ranks.
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
        super().__init__()
        self._labels = _checks.whole_numbers("labels", labels, "one per image")
        self.batch_size = _checks.whole_number("batch_size", batch_size, 1)
        self.world_size = _checks.whole_number("world_size", world_size, 1)
        self.rank = _checks.whole_number("rank", rank, 0, self.world_size - 1)
        self._seed = _checks.whole_number("seed", seed)
        #: What a saved state must agree with to be of use here.
        self._arguments: dict[str, int] = {
            "images": len(self._labels),
            "labels": zlib.crc32(repr(self._labels).encode()),
            "batch_size": self.batch_size,
            "seed": self._seed,
            "world_size": self.world_size,
        }
        self._groups = self._per_image("groups", groups)
        self._epoch = 0
        self._batches: list[list[int]] | None = None  # the epoch's, of all ranks, once drawn
        self._position = 0  # where the next iteration starts
        self._begun = False

    def _per_image(self, name: str, values: Iterable[int] | None) -> list[int] | None:
        """Numbers of an argument that has one for each image, to be the same when resumed."""
        if values is None:
            return None
        numbers = _checks.whole_numbers(name, values, "one per image")
        if len(numbers) != len(self._labels):
            raise ValueError(
                f"{name}: got {len(numbers)} numbers, wanted {len(self._labels)} as labels has"
            )
        self._arguments[name] = zlib.crc32(repr(numbers).encode())
        return numbers

    @abstractmethod
    def _batches_in_all(self) -> int:
        """Batches of an epoch before they are shared among the ranks: constant."""

    @abstractmethod
    def _draw(self, rng: random.Random) -> list[list[int]]:
        """The image numbers of the epoch's ``len(self) * world_size`` batches."""

    def _more_state(self) -> dict[str, Any]:
        """What a state holds beyond the batches, under other names than theirs."""
        return {}

    def _load_more(self, state: dict[str, Any]) -> None:
        """Take back what `_more_state` gave.

        Raises:
            ValueError: it is of other images.
        """

    def _check_ranks(self) -> None:
        if len(self) == 0:
            raise ValueError(
                f"world_size: got {self.world_size} ranks for {self._batches_in_all()} batches an "
                "epoch, wanted at least one batch for each rank"
            )

    def __len__(self) -> int:
        """Batches of an epoch on this rank: constant, also where an epoch is resumed midway."""
        return self._batches_in_all() // self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Begin an epoch, and draw its batches unless they are there already."""
        # A generator, so that the epoch begins with the first batch asked for: a loader with
        # workers calls iter() twice and throws one away.
        if self._begun:
            self.set_epoch(self._epoch + 1)
        if self._batches is None:
            # Text as seed: hashed by sha512, so seed 1 in epoch 2 is unlike seed 2 in epoch 1.
            self._batches = self._draw(random.Random(f"{self._seed}/{self._epoch}"))
        # Only now: an iteration that failed, in the graph say, can be tried again.
        self._begun = True
        share = self._batches[self.rank :: self.world_size]
        start, self._position = self._position, 0
        for batch in share[start:]:
            yield list(batch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration.

        The epoch in progress starts again with the batches it had; one just loaded by
        `load_state_dict` goes on at its position; any other is drawn anew.
        """
        epoch = _checks.whole_number("epoch", epoch, 0)
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
        if self._batches is None and position != 0:
            raise ValueError(
                f"position: got {_checks.shown(position)}, wanted 0..0 as the epoch has not begun"
            )
        position = _checks.whole_number("position", position, 0, len(self))
        return {
            "arguments": dict(self._arguments),
            "epoch": self._epoch,
            "position": position,
            "batches": None if self._batches is None else [list(batch) for batch in self._batches],
            **self._more_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a sampler made with the same arguments, on any rank.

        Raises:
            TypeError: it is no state, or an entry is of another type.
            ValueError: the state lacks an entry, or was made with other arguments.
        """
        _checks.instance("state", state, Mapping, "a state_dict()")
        wanted_names = {"arguments", "epoch", "position", "batches", *self._more_state()}
        missing = wanted_names - set(state)
        if missing:
            raise ValueError(f"state: got no {', '.join(sorted(missing))}, wanted a state_dict()")
        arguments = _checks.instance("state: arguments", state["arguments"], Mapping, "a mapping")
        for name in {**self._arguments, **arguments}:
            got, wanted = (given.get(name) for given in (arguments, self._arguments))
            if got != wanted:
                digest = name in _CHECKSUMS
                what = f"other {name}" if digest else f"{name} {got}"
                own = "those of this sampler" if digest else f"{wanted}"
                raise ValueError(f"state: got {what}, wanted {own}")
        position = _checks.whole_number("state: position", state["position"], 0)
        epoch = _checks.whole_number("state: epoch", state["epoch"], 0)
        batches = state["batches"]
        if batches is not None:
            batches = _checks.table("state: batches", batches)
            images = {image for batch in batches for image in batch}
            if not images <= set(range(len(self._labels))):
                raise ValueError(
                    f"state: got batches of images {min(images)}..{max(images)}, wanted "
                    f"0..{len(self._labels) - 1}"
                )
        in_all = 0 if batches is None else len(self) * self.world_size
        if len(batches or ()) != in_all or position > in_all // self.world_size:
            raise ValueError(
                f"state: got {len(batches or ())} batches and position {position}, wanted "
                f"{in_all} and a position among them"
            )
        self._load_more(dict(state))
        self._batches = batches
        self._epoch = epoch
        self._position = position
        self._begun = False

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cached_property

from qaconv_ext import _checks
from qaconv_ext.graph._balance import Balance
from qaconv_ext.graph.class_batch_sampler import ClassBatchSampler


class PKSampler(ClassBatchSampler):
    """P random classes with K images each, P = batch_size / num_instances.

    An epoch shuffles the classes and cuts them into batches of P, so each class is in at most one
    batch: ``classes // P`` batches in all, and the ``classes % P`` left over, others every time,
    wait for another epoch. Arguments, epochs, ranks and resuming: see `ClassBatchSampler`.

    Args:
        one_group: all classes of a batch are of one group, and a group has batches in proportion to
            its size; classes are left over of each group. Where groups are data sets, two classes
            of different sets are told apart by their sets alone, and such pairs teach little.

    Raises:
        TypeError, ValueError: see `ClassBatchSampler`; or ``one_group`` without groups, or a group
            has fewer classes than a batch holds.

    Source: Hermans et al., *In Defense of the Triplet Loss for Person Re-Identification* (arXiv
    1703.07737), section 2.
    """

    def __init__(
        self,
        labels: Iterable[int],
        batch_size: int,
        num_instances: int,
        seed: int = 0,
        *,
        groups: Iterable[int] | None = None,
        one_group: bool = False,
        cameras: Iterable[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._one_group = _checks.truth("one_group", one_group)
        if one_group and groups is None:
            raise ValueError("groups: got None with one_group=True, wanted one number per image")
        super().__init__(
            labels,
            batch_size,
            num_instances,
            seed,
            groups=groups,
            cameras=cameras,
            rank=rank,
            world_size=world_size,
        )
        if one_group:  # a state of old, which has no such entry, is of batches across groups
            self._arguments["one_group"] = 1

    def _balanced(self) -> Balance | None:
        return None if self._one_group else super()._balanced()

    @cached_property
    def _pools(self) -> list[list[int]]:
        """The class numbers that an epoch cuts into batches, pool by pool."""
        if not self._one_group or self._class_groups is None:
            return [list(range(len(self.classes)))]
        pools: dict[int, list[int]] = {}
        for number, group in enumerate(self._class_groups):
            pools.setdefault(group, []).append(number)
        for group in sorted(pools):
            if len(pools[group]) < self.classes_per_batch:
                raise ValueError(
                    f"groups: got {len(pools[group])} classes of group {group}, wanted at least "
                    f"{self.classes_per_batch}, those of a batch, with one_group=True"
                )
        return [pools[group] for group in sorted(pools)]

    def _batches_in_all(self) -> int:
        return sum(len(pool) // self.classes_per_batch for pool in self._pools)

    def _classes_of_batches(self, rng: random.Random) -> list[list[int]]:
        if self._balance is not None:
            return self._balance.batches(self._batches_in_all(), rng)
        size = self.classes_per_batch
        batches = []
        for pool in self._pools:
            shuffled = rng.sample(pool, len(pool))
            batches += [shuffled[i * size : (i + 1) * size] for i in range(len(pool) // size)]
        if len(self._pools) > 1:  # no draw where the order is random already
            rng.shuffle(batches)
        return batches

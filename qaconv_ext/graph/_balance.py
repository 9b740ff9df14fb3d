"""Batches that take equally from several groups, whatever their sizes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from qaconv_ext.graph.class_queues import ClassQueues


class Balance:
    """Several groups of numbers (classes, images) that an epoch's batches take from alike.

    Each group is drawn from a shuffled queue of its own, which begins anew when it runs out: of a
    small group everything comes more often than of a large one.

    Args:
        groups: one whole number per member, of any value: the group that it belongs to.
        size: members in a batch.

    Raises:
        ValueError: a group has fewer members than its part of a batch.
    """

    def __init__(self, groups: Iterable[int], size: int) -> None:
        members: dict[int, list[int]] = {}
        for number, group in enumerate(groups):
            members.setdefault(group, []).append(number)
        self._members: Sequence[list[int]] = [members[group] for group in sorted(members)]
        self._size = size
        part = -(-size // len(members))
        for group in sorted(members):
            if len(members[group]) < part:
                raise ValueError(
                    f"groups: got {len(members[group])} of group {group}, wanted at least {part}, "
                    f"its part of a batch of {size} from {len(members)} groups"
                )

    def batches(self, count: int, rng: random.Random) -> list[list[int]]:
        """``count`` batches of different members, group by group.

        What does not divide evenly goes to another group each time.
        """
        queues, groups = ClassQueues(self._members), len(self._members)
        drawn = []
        for batch in range(count):
            first = batch * self._size
            parts = [
                (first + self._size + group) // groups - (first + group) // groups
                for group in range(groups)
            ]
            drawn.append(
                [m for group, part in enumerate(parts) for m in queues.draw(group, part, rng)]
            )
        return drawn

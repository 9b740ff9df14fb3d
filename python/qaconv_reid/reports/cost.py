"""What something will take, in words: a time, a number of bytes, an evaluation."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Foreseen", "cost_line", "duration", "size"]


class Foreseen(Protocol):
    """What the line shows of an evaluation to come."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""

    @property
    def queries(self) -> int:
        """Query images."""

    @property
    def gallery(self) -> int:
        """Gallery images."""

    @property
    def pairs(self) -> int:
        """Pairs to match."""

    @property
    def feature_seconds(self) -> float:
        """Time for the maps."""

    @property
    def matching_seconds(self) -> float:
        """Time for the matching."""

    @property
    def maps(self) -> int:
        """Bytes of the maps."""

    @property
    def scores(self) -> int:
        """Bytes of scores that are held or kept."""

    @property
    def neighbors(self) -> int:
        """Bytes of the lists of neighbors, 0 without re-ranking."""


def cost_line(cost: Foreseen) -> str:
    """A line for an evaluation to come: images, pairs, time, memory."""
    held = [f"maps {size(cost.maps)}", f"scores {size(cost.scores)}"]
    if cost.neighbors:
        held.append(f"neighbors {size(cost.neighbors)}")
    return (
        f"{cost.dataset}: {cost.queries:,} queries, {cost.gallery:,} gallery images, "
        f"{cost.pairs:,} pairs to match: "
        f"about {duration(cost.feature_seconds + cost.matching_seconds)} "
        f"(maps {duration(cost.feature_seconds)}, matching {duration(cost.matching_seconds)}); "
        f"{', '.join(held)}"
    )


def duration(seconds: float) -> str:
    """``8 s``, ``12 min``, ``3.5 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """``812 KiB``, ``3.6 MiB``, ``3.6 GiB``."""
    if count < 1 << 20:
        return f"{count / (1 << 10):.0f} KiB"
    if count < 1 << 30:
        return f"{count / (1 << 20):.1f} MiB"
    return f"{count / (1 << 30):.1f} GiB"

"""How many people and images there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAMILY", "LOOK_ALIKES", "SIZES", "Size"]

#: Identities are drawn in groups of this size; such a family is look-alikes or strangers.
FAMILY = 5

#: Share of the families that are look-alikes, where a request does not say another.
LOOK_ALIKES = 0.75


@dataclass(frozen=True, slots=True)
class Size:
    """Counts of a data set; those of identities are for each domain."""

    name: str
    domains: tuple[str, ...]
    train: int
    test: int
    """These identities visit every domain: they can be searched for across domains."""
    visits: int
    """Cameras that a person passes, at most."""
    shots: float
    """Mean number of images of a visit."""
    families: float = LOOK_ALIKES
    """Share of the people who come in families of look-alikes."""

    @property
    def identities(self) -> int:
        """Identities in all."""
        return self.train * len(self.domains) + self.test

    @property
    def images(self) -> int:
        """Images in all, where every domain has as many cameras as there are visits."""
        each = (self.train, self.test)
        total = sum(int(count * self.visits * self.shots + 1e-9) for count in each)
        return len(self.domains) * total


_ALL = ("plaza", "station", "campus", "corridor")

SIZES: Mapping[str, Size] = {
    size.name: size
    for size in (
        Size("tiny", ("plaza", "station"), train=8, test=16, visits=2, shots=2),
        Size("small", _ALL, train=100, test=100, visits=3, shots=3),
        Size("base", _ALL, train=1500, test=400, visits=5, shots=3.2),
        Size("large", _ALL, train=2000, test=0, visits=4, shots=4.125),
        Size("study", _ALL, train=2667, test=400, visits=4, shots=2),
    )
}
"""Every size by its name."""

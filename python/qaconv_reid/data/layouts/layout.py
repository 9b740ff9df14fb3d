"""What a layout is: how to recognize one way of storing a data set, and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qaconv_reid.data.records import ReidDataset


class Counts(NamedTuple):
    """Published size of a part; None where no number is published."""

    identities: int | None
    images: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of storing a data set.

    Attributes:
        name: Its key in ``LAYOUTS``.
        wanted: One line saying which folders and file names make it up.
        looks_like: Whether a path has this layout; cheap, opens no image, raises nothing.
        load: Reads a path that has this layout; raises DataError.
        official: Published counts: edition -> part (or ``"all"``, all parts together) -> Counts.
        distractor: The identity number of gallery images that show nobody of interest.
        generic: Fits many folders: tried last, and never looked for one level down.
    """

    name: str
    wanted: str
    looks_like: Callable[[Path], bool]
    load: Callable[[Path], ReidDataset]
    official: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    distractor: int | None = None
    generic: bool = False

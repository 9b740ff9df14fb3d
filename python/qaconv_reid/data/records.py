"""What every data set becomes: records of images, in three parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qaconv_reid.text import SaidError

if TYPE_CHECKING:
    from qaconv_reid.data.variants import Variant

#: The parts of a data set, in the order they are listed everywhere.
PARTS = ("train", "query", "gallery")


class DataError(SaidError):
    """A data set that cannot be used as it is; the text says what was found and what is wanted."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image of one person.

    Attributes:
        path: The image file.
        person: Identity number; one number means one person in all parts of its data set.
        camera: The data set's own camera number, or None where it is not known.
        time: Seconds on that camera's clock, or None where it is not known.
        variant: What is made of the image when it is read, or None.
        track: Number of the walk past a camera that it is of, or None where it is not known.
    """

    path: Path
    person: int
    camera: int | None = None
    time: float | None = None
    variant: Variant | None = None
    track: int | None = None


@dataclass(frozen=True, slots=True)
class ReidDataset:
    """A data set as it lies on disk; a part that it does not have is empty.

    Attributes:
        name: For people: the published name, or the folder's where the counts are not those
            published under it.
        layout: Its key in ``LAYOUTS``.
        root: The folder (or CSV file) the records were read from.
        train: Images to learn from.
        query: Images to search with.
        gallery: Images to search in.
        notes: What a user should know about how it was read.
        distractor: Identity number of gallery images that show nobody of interest, or None.
    """

    name: str
    layout: str
    root: Path
    train: tuple[Record, ...]
    query: tuple[Record, ...]
    gallery: tuple[Record, ...]
    notes: tuple[str, ...] = ()
    distractor: int | None = None

    @property
    def parts(self) -> dict[str, tuple[Record, ...]]:
        """The records by the name of their part."""
        return {"train": self.train, "query": self.query, "gallery": self.gallery}

    @property
    def every_crop(self) -> bool:
        """Whether the queries are the gallery's first images: none is searched in itself."""
        return bool(self.query) and self.query == self.gallery[: len(self.query)]


def class_labels(records: Iterable[Record]) -> list[int]:
    """Labels ``0 .. identities-1`` of the records, in ascending order of the identity number."""
    people = [record.person for record in records]
    label = {person: index for index, person in enumerate(sorted(set(people)))}
    return [label[person] for person in people]


def lone_identities(pids: Iterable[int]) -> str | None:
    """A note on identities of one image, which have no positive pair; None where none is.

    Args:
        pids: one for each image.
    """
    images = Counter(pids)
    lone = sum(count == 1 for count in images.values())
    if not lone:
        return None
    return f"{lone} of {len(images)} training identities have one image only: no positive pair"


def has_pairs(pids: Iterable[int]) -> bool:
    """Whether any identity has two images: without a pair nothing can be learnt from pairs."""
    return max(Counter(pids).values(), default=0) > 1


def shorten(items: Sequence[object], limit: int = 3) -> str:
    """The first few items for a message, and how many more there are."""
    text = ", ".join(f"'{item}'" for item in items[:limit])
    return f"{text} and {len(items) - limit} more" if len(items) > limit else text

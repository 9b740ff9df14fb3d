"""What a gallery keeps: rows, the model that made their maps, and the table they lie in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.data import Box
from qaconv_reid.text import SaidError

__all__ = ["Candidates", "GalleryError", "Key", "Maker", "Numbers", "Row", "Table"]

FORMAT = 1

Numbers = NDArray[np.int64]
"""Of rows: each has its own for good, ascending in the order they were added."""

Key = tuple[str, Box | None]
"""What makes a row another one: an image, or a box in it."""


class GalleryError(SaidError):
    """A gallery, or what is asked of it, cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """An image, or a box in one, and what is known of it."""

    path: str
    identity: str | None = None
    camera: int | None = None
    time: float | None = None
    """Seconds on the camera's clock."""
    box: Box | None = None

    @property
    def key(self) -> Key:
        """What no second row of a gallery has."""
        return self.path, self.box


@dataclass(frozen=True, slots=True)
class Maker:
    """The model that made a gallery's maps, as far as scoring them needs it."""

    name: str
    checksum: str
    """Of its weights and its image size."""
    shape: tuple[int, int, int]
    """Channels, rows and columns of a map."""
    weight: tuple[float, ...]
    """Of the matcher, as `QAConv.folded` gives it."""
    bias: float

    def dumps(self) -> str:
        """As JSON; numbers come back bit for bit."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def loads(cls, text: str | None, place: str) -> Self:
        """What `dumps` wrote.

        Raises:
            GalleryError: it is of another kind.
        """
        try:
            document: dict[str, Any] = json.loads(text or "")
            if document.pop("format") != FORMAT:
                raise ValueError
            channels, rows, columns = document.pop("shape")
            weight = tuple(document.pop("weight"))
            return cls(shape=(channels, rows, columns), weight=weight, **document)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise GalleryError(f"{place}: got no gallery of format {FORMAT}, wanted one") from None

    def check_same(self, other: Maker, place: str) -> None:
        """That ``other``, the model at hand, is this one.

        Raises:
            GalleryError: it is not; both are named.
        """
        if self.checksum != other.checksum:
            raise GalleryError(
                f"{place}: its maps were made by '{self.name}' ({self.checksum}), got "
                f"'{other.name}' ({other.checksum}), wanted the same model: take that one, or make "
                "another gallery"
            )


class Candidates(NamedTuple):
    """Rows that may be found."""

    numbers: Numbers
    """``[M]`` ascending."""
    vectors: Tensor
    """``[M, D]`` int16: their places on the grid of `qaconv_reid.gallery.shortlist`."""


class Table(Protocol):
    """Where rows lie. One process writes at a time; others may read."""

    place: str
    """For messages."""
    maker: Maker

    def __len__(self) -> int:
        """How many rows there are."""

    @property
    def version(self) -> int:
        """A number that grows with every change."""

    def refresh(self) -> None:
        """See what others have written."""

    def keys(self) -> set[Key]:
        """Of all rows."""

    def append(self, rows: Sequence[Row], maps: Tensor, vectors: Tensor) -> None:
        """Add rows, all or none.

        Args:
            rows: of new keys.
            maps: ``[N, C, h, w]`` float16.
            vectors: ``[N, D]`` int16, of `qaconv_reid.gallery.shortlist.on_grid`.
        """

    def flush(self) -> None:
        """What was added lies on the disk when this returns, where the table has a file."""

    def numbers(self, where: str | None = None) -> Numbers:
        """Of the rows of a condition, ascending.

        Raises:
            GalleryError: the condition cannot be read.
        """

    def candidates(self, where: str | None = None) -> Candidates:
        """The same with their vectors."""

    def maps(self, numbers: Numbers) -> Tensor:
        """``[N, C, h, w]`` float16 of those rows, in that order."""

    def rows(self, numbers: Numbers) -> list[Row]:
        """Those rows, in that order."""

    def remove(self, where: str) -> int:
        """Remove the rows of a condition; how many they were."""

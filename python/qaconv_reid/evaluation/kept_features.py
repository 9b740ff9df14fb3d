"""Feature maps in a file: an interrupted extraction goes on from the last that was noted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from qaconv_reid.data import Record
from qaconv_reid.evaluation.features import FeatureSet
from qaconv_reid.evaluation.row_file import RowFile
from qaconv_reid.models import Progress

__all__ = ["Extract", "extract_kept"]

#: Between two notes of how far it has come.
NOTE_SECONDS = 5.0


class Extract(Protocol):
    """`qaconv_reid.evaluation.extract`, given all but what is asked for here."""

    def __call__(
        self, *, records: Sequence[Record], into: Tensor | None, progress: Progress | None
    ) -> FeatureSet:
        """Map the images in their order, into ``into``."""


def extract_kept(
    records: Sequence[Record], file: RowFile, extract: Extract, progress: Progress | None
) -> FeatureSet:
    """Map the images that the file does not have yet.

    Args:
        records: all of them.
        file: as many rows as records.
        extract: maps images, telling ``progress`` after each batch.
        progress: told of images among all of them.

    Returns:
        Maps that lie in the file, memory-mapped.
    """
    start = file.done
    noted = time.monotonic()

    def note(what: str, done: int, _: int) -> None:
        nonlocal noted
        if time.monotonic() - noted >= NOTE_SECONDS or start + done == len(records):
            file.note(start + done)
            noted = time.monotonic()
        if progress is not None:
            progress(what, start + done, len(records))

    if start < len(records):
        extract(records=records[start:], into=file.rows[start:], progress=note)
    return FeatureSet.of(records, file.rows)

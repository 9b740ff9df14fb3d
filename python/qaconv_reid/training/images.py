"""The images of a run, of one data set or several, with their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qaconv_reid.data import Record, ReidDataset, class_labels

__all__ = ["TrainingImages", "join"]


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images to learn from; ``labels`` are classes 0 .. classes - 1, one per record."""

    records: tuple[Record, ...]
    labels: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Persons in all."""
        return max(self.labels, default=-1) + 1


def join(datasets: Sequence[ReidDataset]) -> TrainingImages:
    """The training parts of data sets, one behind the other.

    Each data set counts its persons for itself, so equal numbers in two of them are two persons.
    """
    records: list[Record] = []
    labels: list[int] = []
    for dataset in datasets:
        first = max(labels, default=-1) + 1
        records.extend(dataset.train)
        labels.extend(first + label for label in class_labels(dataset.train))
    return TrainingImages(tuple(records), tuple(labels))

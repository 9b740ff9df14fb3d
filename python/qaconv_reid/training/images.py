"""The images of a run, of one data set or several, with their classes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from random import Random

from qaconv_reid.data import DataError, Record, ReidDataset, class_labels

__all__ = ["TrainingImages", "hold_back", "join", "numbered", "take_identities"]


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images to learn from."""

    records: tuple[Record, ...]
    labels: tuple[int, ...]
    """One per record: its class, 0 .. classes - 1."""
    sources: tuple[int, ...]
    """One per record: the number of its data set."""
    families: tuple[Hashable, ...] = ()
    """One per record: the family of look-alikes that its identity is of; empty where unknown."""

    @property
    def classes(self) -> int:
        """Identities in all."""
        return max(self.labels, default=-1) + 1

    @property
    def cameras(self) -> list[int]:
        """One number per record, those of two data sets apart; -1 where it is not known."""
        views = [
            None if record.camera is None else (source, record.camera)
            for record, source in zip(self.records, self.sources, strict=True)
        ]
        return numbered(views)


def numbered(values: Sequence[Hashable]) -> list[int]:
    """A number for each different value; -1 for None."""
    numbers: dict[Hashable, int] = {None: -1}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def join(datasets: Sequence[ReidDataset], *, apart: bool = True) -> TrainingImages:
    """The training parts of data sets, one behind the other.

    Args:
        datasets: which.
        apart: each counts its identities for itself, so that equal numbers in two of them are two
            identities; False takes them for one.
    """
    sources = tuple(number for number, dataset in enumerate(datasets) for _ in dataset.train)
    if not apart:
        together = [record for dataset in datasets for record in dataset.train]
        return TrainingImages(tuple(together), tuple(class_labels(together)), sources)
    records: list[Record] = []
    labels: list[int] = []
    for dataset in datasets:
        first = max(labels, default=-1) + 1
        records.extend(dataset.train)
        labels.extend(first + label for label in class_labels(dataset.train))
    return TrainingImages(tuple(records), tuple(labels), sources)


def take_identities(images: TrainingImages, count: int) -> TrainingImages:
    """The images of some identities: the same ones for every run, fewer a part of more.

    Args:
        images: all of them.
        count: identities; of several data sets as many of each as it goes, in turn.

    Raises:
        DataError: there are fewer.
    """
    if count > images.classes:
        raise DataError(f"data.identities: got {count}, wanted at most {images.classes}")
    by_source: dict[int, list[int]] = {}
    for label, source in sorted(set(zip(images.labels, images.sources, strict=True))):
        by_source.setdefault(source, []).append(label)
    random = Random("identities")
    orders = [random.sample(labels, len(labels)) for _, labels in sorted(by_source.items())]
    in_turn = (label for row in zip_longest(*orders) for label in row if label is not None)
    kept = set(islice(dict.fromkeys(in_turn), count))
    return _only(images, [place for place, label in enumerate(images.labels) if label in kept])


def _only(images: TrainingImages, places: Sequence[int]) -> TrainingImages:
    """Some of the images; classes are counted anew."""
    labels = [images.labels[place] for place in places]
    number = {label: place for place, label in enumerate(sorted(set(labels)))}
    return TrainingImages(
        tuple(images.records[place] for place in places),
        tuple(number[label] for label in labels),
        tuple(images.sources[place] for place in places),
        tuple(images.families[place] for place in places) if images.families else (),
    )


def hold_back(
    images: TrainingImages, share: float, seed: int
) -> tuple[TrainingImages, ReidDataset]:
    """Keep some identities out of training, to be evaluated on while it goes on.

    Args:
        images: all of them.
        share: of the identities, at least one of which is held back.
        seed: of the choice.

    Returns:
        The images of the other identities, and a data set of those held back: of each camera that
        saw an identity the first image is a query (without cameras: its first image), the others
        are the gallery.

    Raises:
        DataError: none of those held back was seen twice, so that nothing could be searched for.
    """
    random = Random(f"{seed}/validation")
    chosen = set(random.sample(range(images.classes), max(1, round(share * images.classes))))
    kept: list[int] = []
    parts: dict[str, list[Record]] = {"query": [], "gallery": []}
    seen: set[tuple[int, int | None]] = set()
    for place, (record, label) in enumerate(zip(images.records, images.labels, strict=True)):
        if label not in chosen:
            kept.append(place)
            continue
        view = (label, record.camera)
        # Numbers are those of a data set: of several sets, only the class is one identity.
        parts["gallery" if view in seen else "query"].append(replace(record, person=label))
        seen.add(view)
    searched = {record.person for record in parts["gallery"]}
    if not searched:
        raise DataError(
            f"data.validation: got {len(chosen)} identities, none of them seen twice by a camera, "
            "wanted images to search for"
        )
    return (
        _only(images, kept),
        ReidDataset(
            name="validation",
            layout="validation",
            root=Path(),
            train=(),
            query=tuple(parts["query"]),
            gallery=tuple(parts["gallery"]),
        ),
    )

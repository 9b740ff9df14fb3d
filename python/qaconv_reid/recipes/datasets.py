"""The data sets of a run: all of them loaded and checked before anything else happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from qaconv_reid import data, people
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import DataError, ReidDataset
from qaconv_reid.evaluation import Identities, Measures, Protocol, count_by_protocol
from qaconv_reid.training import TrainingImages, hold_back, join, take_identities

__all__ = ["load_test_sets", "load_training_images"]


def load_training_images(config: RunConfig) -> tuple[TrainingImages, ReidDataset | None]:
    """The images of all of ``data.train``, and the part of them that is held back.

    Raises:
        ConfigError: none is named, or together they have too few persons for a batch.
        DataError: one cannot be read, or has nothing to train on.
    """
    if not config.data.train:
        raise ConfigError("data.train: got no data set, wanted one, as data.train=PATH")
    images = join(
        [_load_training_set(spec, config) for spec in config.data.train],
        apart=config.data.persons == "apart",
    )
    images = replace(images, families=_families(images))
    if config.data.identities:
        images = take_identities(images, config.data.identities)
    validation = None
    if config.data.validation:
        images, validation = hold_back(images, config.data.validation, config.runtime.seed)
    _check_batches(images, config)
    return images, validation


def _families(images: TrainingImages) -> tuple[object, ...]:
    """Of virtual people, who comes in families of look-alikes; nothing of others."""
    places = {record.path.parents[2] for record in images.records if len(record.path.parents) > 2}
    if not all((place / people.MANIFEST).is_file() for place in places):
        return ()
    return tuple(
        (source, people.family_of(record.person))
        for record, source in zip(images.records, images.sources, strict=True)
    )


def _check_batches(images: TrainingImages, config: RunConfig) -> None:
    """That there is enough for batches.

    Raises:
        DataError: there is not, in all or of one of several balanced sets.
    """
    sampler = config.sampler
    each = f"batches of {sampler.batch_size} images"
    if sampler.kind == "shuffle":
        what, wanted, total = "images", sampler.batch_size, len(images.labels)
        counts = Counter(images.sources)
        how = f"for {each} (sampler.batch_size)"
    else:
        what, wanted, total = "persons", sampler.batch_size // sampler.instances, images.classes
        counts = Counter(
            source for _, source in set(zip(images.labels, images.sources, strict=True))
        )
        how = (
            f"for {each} with {sampler.instances} of each person (sampler.batch_size, "
            "sampler.instances)"
        )
    if total < wanted:
        raise DataError(f"data.train: got {total} {what}, wanted at least {wanted} {how}")
    if not config.data.balanced or sampler.kind == "graph":  # where it is single anchors
        return
    part = -(-wanted // len(counts))
    for source, count in counts.items():
        if count < part:
            raise DataError(
                f"data.train: got {count} {what} in {config.data.train[source]}, wanted at least "
                f"{part}, its part of what is wanted {how} (data.balanced)"
            )


def load_test_sets(specs: Iterable[str], measures: Measures | None = None) -> list[ReidDataset]:
    """Data sets to evaluate on, in this order, each in all the views that are asked for.

    Those of one name are told apart by a folder above them, or else by a number.

    Raises:
        DataError: one cannot be read or is named twice, or nothing can be searched in it.
    """
    datasets: list[ReidDataset] = []
    for spec in specs:
        views = _load_test_set(spec, measures or Measures())
        if _place(views[0]) in map(_place, datasets):
            raise DataError(f"data.test: got {spec} twice, wanted each data set once")
        datasets += views
    return _named_apart(datasets)


def _place(dataset: ReidDataset) -> tuple[Path, str]:
    return dataset.root.resolve(), dataset.layout


def _named_apart(datasets: Sequence[ReidDataset]) -> list[ReidDataset]:
    counts = Counter(dataset.name for dataset in datasets)
    names = [dataset.name for dataset in datasets]
    for name in (name for name, count in counts.items() if count > 1):
        alike = [number for number, dataset in enumerate(datasets) if dataset.name == name]
        marks = _marks([datasets[number].root.resolve() for number in alike])
        for number, mark in zip(alike, marks, strict=True):
            names[number] = f"{name} ({mark})"
    return [replace(it, name=name) for it, name in zip(datasets, names, strict=True)]


def _marks(roots: Sequence[Path]) -> list[str]:
    """What tells folders apart: their own names, those of folders above, or numbers."""
    for parts in zip(*(reversed(root.parts) for root in roots), strict=False):
        if len(set(parts)) == len(parts):
            return list(parts)
    return [str(number) for number in range(1, len(roots) + 1)]


def _load_training_set(spec: str, config: RunConfig) -> ReidDataset:
    dataset = _load_checked(spec)
    if config.data.combine_all:
        dataset = data.load(*data.parse_spec(spec), combine_all=True)
    if not dataset.train:
        raise DataError(
            f"data.train: {spec}: got no training images, wanted some (data.combine_all=true also "
            "takes those of query and gallery)"
        )
    return dataset


def _load_test_set(spec: str, measures: Measures) -> list[ReidDataset]:
    dataset, views = _load_checked(spec), measures.views
    seen = [views.seen(dataset, variant) for variant in views.variants]
    for complaint in _complaints(seen[0], measures.protocol):
        raise DataError(f"data.test: {spec}: {complaint}")
    return seen


def _load_checked(spec: str) -> ReidDataset:
    dataset = data.load(*data.parse_spec(spec))
    report = data.check_dataset(dataset)
    if not report.ok:
        raise DataError(f"{spec}: {'; '.join(report.problems)}")
    return dataset


def _complaints(dataset: ReidDataset, protocol: Protocol) -> Iterator[str]:
    for part in ("query", "gallery"):
        if not dataset.parts[part]:
            yield f"got no {part} images, wanted some"
            return
    if not count_by_protocol(protocol, Identities.of(dataset)).any():
        yield "got no query with a match in the gallery (same person, another camera), wanted some"

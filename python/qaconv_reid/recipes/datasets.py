"""The data sets of a run: all of them loaded and checked before anything else happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from qaconv_reid import data
from qaconv_reid.config import ConfigError, DataConfig, RunConfig
from qaconv_reid.data import (
    DataError,
    Inspection,
    Record,
    ReidDataset,
    has_pairs,
    lone_identities,
    own_images,
    shorten,
    trained_on,
    under_two,
)
from qaconv_reid.evaluation import Measures, unmeasurable
from qaconv_reid.people import Kin
from qaconv_reid.training import TrainingImages, hold_back, join, take_identities

__all__ = [
    "load_checked",
    "load_test_sets",
    "load_training_images",
    "named_apart",
    "training_records",
]

Notice = Callable[[str], None]


def load_training_images(
    config: RunConfig,
    *,
    inspection: Inspection | None = None,
    notice: Notice = lambda line: None,
) -> tuple[TrainingImages, ReidDataset | None]:
    """The images of all of ``data.train``, and the part of them that is held back.

    Args:
        config: of the run.
        inspection: what looks at the files.
        notice: told what is to be known of them.

    Raises:
        ConfigError: none is named, or together they have too few identities for a batch.
        DataError: one cannot be read or is named twice, or there is nothing to learn from.
    """
    if not config.data.train:
        raise ConfigError("data.train: got no data set, wanted one, as data.train=PATH")
    inspection = inspection or Inspection()
    datasets: list[ReidDataset] = []
    for spec in config.data.train:
        dataset = _load_training_set(spec, config, inspection, notice)
        if _place(dataset) in map(_place, datasets):
            raise DataError(f"data.train: got {spec} twice, wanted each data set once")
        datasets.append(dataset)
    images = join(datasets, apart=config.data.persons == "apart")
    images = replace(images, families=_families(images))
    if config.data.identities:
        images = take_identities(images, config.data.identities)
    _check_identities(images, config, inspection, notice)
    validation = None
    if config.data.validation:
        images, validation = hold_back(images, config.data.validation, config.runtime.seed)
        if config.data.broken == "skip":
            validation = _without_broken(validation, inspection)
            for note in validation.notes:
                notice(f"{validation.name}: {note}")
    _check_batches(images, config)
    return images, validation


def _families(images: TrainingImages) -> tuple[object, ...]:
    """Of virtual people, most of whom come in families of look-alikes; nothing of others."""
    kin = Kin()
    firsts = dict(zip(reversed(images.sources), reversed(images.records), strict=True))
    if not all(kin.knows(record.path) for record in firsts.values()):
        return ()
    return tuple(kin.family(record.path, record.person) for record in images.records)


def _check_identities(
    images: TrainingImages, config: RunConfig, inspection: Inspection, notice: Notice
) -> None:
    """That identities can be learnt apart.

    Raises:
        DataError: there are no pairs, or most images of a set are those of other identities, too.
    """
    if not has_pairs(images.labels):
        raise DataError(
            "data.train: no training identity has two images: nothing can be learnt from pairs"
        )
    lone = lone_identities(images.labels)
    if lone is not None:
        notice(f"note: {lone}")
    shared = under_two(inspection.images(images.records), images.labels)
    if not shared:
        return
    sizes, copied = Counter(images.sources), Counter(images.sources[number] for number in shared)
    names = shorten([images.records[number].path.name for number in shared])
    for source, count in copied.items():
        if 2 * count > sizes[source]:
            raise DataError(
                f"data.train: {config.data.train[source]}: {count} of {sizes[source]} images, or "
                f"their bytes, stand under another identity as well ({names}): copies would be "
                "learnt as different identities; wanted each data set once, or data.persons=joined"
            )
    notice(f"note: {len(shared)} images, or their bytes, stand under two identities: {names}")


def _check_batches(images: TrainingImages, config: RunConfig) -> None:
    """That there is enough for batches.

    Raises:
        DataError: there is not, in all or of one of several sets that each give their part.
    """
    sampler = config.sampler
    each = f"batches of {sampler.batch_size} images"
    if sampler.kind == "shuffle":
        what, wanted, total = "images", sampler.batch_size, len(images.labels)
        counts = Counter(images.sources)
        how = f"for {each} (sampler.batch_size)"
    else:
        what, total = "identities", images.classes
        wanted = sampler.batch_size // sampler.num_instances
        counts = Counter(
            source for _, source in set(zip(images.labels, images.sources, strict=True))
        )
        how = (
            f"for {each} with {sampler.num_instances} of each identity (sampler.batch_size, "
            "sampler.num_instances)"
        )
    if total < wanted:
        raise DataError(f"data.train: got {total} {what}, wanted at least {wanted} {how}")
    if sampler.one_set and sampler.draws_pk:
        part, why = wanted, f"{how} of one set (sampler.one_set)"
    elif config.data.balanced and sampler.kind != "graph":  # where it is single anchors
        part = -(-wanted // len(counts))
        why = f"its part of what is wanted {how} (data.balanced)"
    else:
        return
    for source, count in counts.items():
        if count < part:
            raise DataError(
                f"data.train: got {count} {what} in {config.data.train[source]}, wanted at least "
                f"{part}, {why}"
            )


def load_test_sets(
    specs: Iterable[str],
    measures: Measures | None = None,
    *,
    settings: DataConfig | None = None,
    trained: Sequence[Record] = (),
    inspection: Inspection | None = None,
    named: str = "data.test",
) -> list[ReidDataset]:
    """Data sets to evaluate on, in this order, each in all the views that are asked for.

    Those of one name are told apart by a folder above them, or else by a number. Their notes say
    what a reader of results has to know: of images that are there twice or were trained on.

    Args:
        specs: as in ``data.test``.
        measures: what is to be measured.
        settings: how they are read.
        trained: images that were learnt from.
        inspection: what looks at the files.
        named: what the specs were given as.

    Raises:
        DataError: one cannot be read or is named twice, or nothing can be searched in it.
    """
    settings, measures = settings or DataConfig(), measures or Measures()
    inspection = inspection or Inspection()
    datasets: list[ReidDataset] = []
    for spec in specs:
        dataset = load_checked(
            spec, settings, inspection, every_crop=measures.views.every_crop, test=True
        )
        if _place(dataset) in map(_place, datasets):
            raise DataError(f"{named}: got {spec} twice, wanted each data set once")
        searched = (*dataset.query, *dataset.gallery)
        notes = (own_images(dataset, inspection), trained_on(trained, searched, inspection))
        dataset = replace(dataset, notes=(*dataset.notes, *filter(None, notes)))
        views = [measures.views.seen(dataset, variant) for variant in measures.views.variants]
        if complaint := unmeasurable(views[0], measures.protocol):
            raise DataError(f"{named}: {spec}: {complaint}")
        datasets += views
    return named_apart(datasets)


def training_records(settings: DataConfig, *, all_or_none: bool = False) -> tuple[Record, ...]:
    """The images of ``data.train``, of those sets that are still where they were.

    Args:
        settings: which sets, and how they are read.
        all_or_none: none where a set is missing.
    """
    found: list[Record] = []
    for spec in settings.train:
        try:
            found += _read_training_set(spec, settings).train
        except (DataError, OSError):
            if all_or_none:
                return ()
    return tuple(found)


def _read_training_set(spec: str, settings: DataConfig) -> ReidDataset:
    path, layout = data.parse_spec(spec)
    return data.load(path, layout, combine_all=settings.combine_all, pattern=settings.pattern)


def _place(dataset: ReidDataset) -> tuple[Path, str]:
    return dataset.root.resolve(), dataset.layout


def named_apart(datasets: Sequence[ReidDataset]) -> list[ReidDataset]:
    """The same data sets, those of one name told apart by a folder above them or a number."""
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


def _load_training_set(
    spec: str, config: RunConfig, inspection: Inspection, notice: Notice
) -> ReidDataset:
    dataset = load_checked(spec, config.data, inspection)
    if config.data.combine_all:
        dataset = _read_training_set(spec, config.data)
    if not dataset.train:
        raise DataError(
            f"data.train: {spec}: got no training images, wanted some (data.combine_all=true also "
            "takes those of query and gallery)"
        )
    if config.data.broken == "skip":
        dataset = _identities_that_can_be_read(dataset, inspection, notice)
    return dataset


def _identities_that_can_be_read(
    dataset: ReidDataset, inspection: Inspection, notice: Notice
) -> ReidDataset:
    """Those with an image at least; of the others none could take the place of a broken one."""
    broken = inspection.broken(dataset.train)
    if not broken:
        return dataset
    there = {record.person for record in inspection.readable(dataset.train)}
    lost = len({record.person for record in dataset.train} - there)
    notice(
        f"{dataset.name}: {len(broken)} of {len(dataset.train)} training images cannot be read "
        f"({shorten(broken)}): the next image of the identity takes the place of each"
        + (f"; {lost} identities without any are left out" if lost else "")
        + " (data.broken=skip)"
    )
    kept = tuple(record for record in dataset.train if record.person in there)
    return replace(dataset, train=kept)


def _without_broken(dataset: ReidDataset, inspection: Inspection) -> ReidDataset:
    """What can be decoded of query and gallery, with a note on the others.

    Nothing could take the place of what turns out to be broken when a ranking has begun.
    """
    decoding = inspection.decoding()
    kept = {part: decoding.readable(dataset.parts[part]) for part in ("query", "gallery")}
    lost = [
        f"{len(dataset.parts[part]) - len(records)} of {len(dataset.parts[part])} {part} images "
        "cannot be read: left out (data.broken=skip)"
        for part, records in kept.items()
        if len(records) < len(dataset.parts[part])
    ]
    return replace(
        dataset, notes=(*dataset.notes, *lost), query=kept["query"], gallery=kept["gallery"]
    )


def load_checked(
    spec: str,
    settings: DataConfig,
    inspection: Inspection,
    *,
    every_crop: bool = False,
    test: bool = False,
) -> ReidDataset:
    """A data set whose files were looked at.

    Args:
        spec: ``PATH`` or ``LAYOUT:PATH``.
        settings: how it is read.
        inspection: what looks at the files.
        every_crop: every image is a query.
        test: where broken images are skipped, leave them out of query and gallery.

    Raises:
        DataError: it cannot be used.
    """
    path, layout = data.parse_spec(spec)
    dataset = data.load(path, layout, pattern=settings.pattern)
    skip = settings.broken == "skip"
    report = data.check_dataset(dataset, inspection, skip_broken=skip, every_crop=every_crop)
    if not report.ok:
        raise DataError(f"{spec}: {'; '.join(report.problems)}")
    return _without_broken(dataset, inspection) if skip and test else dataset

"""Images that a data set, or several, hold more than once, and what that makes of results.

An image is known by its bytes: another name, a link or a copy is the same image.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from qaconv_reid.data.inspection import Inspection
from qaconv_reid.data.records import Record, ReidDataset, shorten

__all__ = ["about_copies", "own_images", "trained_on", "under_two"]


def about_copies(dataset: ReidDataset, inspection: Inspection) -> Iterator[str]:
    """What a user should know before the data set is used."""
    everything = [record for records in dataset.parts.values() for record in records]
    images = dict(zip(everything, inspection.images(everything), strict=True))
    for part, records in dataset.parts.items():
        seen: set[tuple[Hashable, int]] = set()
        twice = []
        for record in records:
            place = images[record], record.person
            if place in seen:
                twice.append(record.path.name)
            seen.add(place)
        if twice:
            yield f"{part}: {len(twice)} images are there more than once: {shorten(twice)}"
    two = under_two([images[r] for r in everything], [r.person for r in everything])
    if two:
        names = shorten([everything[number].path.name for number in two])
        yield f"{len(two)} images, or their bytes, stand under two identities: {names}"
    note = trained_on(dataset.train, (*dataset.query, *dataset.gallery), inspection)
    if note is not None:
        yield note


def under_two(images: Sequence[Hashable], pids: Sequence[int]) -> list[int]:
    """The numbers of the images that stand under more than one identity.

    Args:
        images: of `Inspection.images`.
        pids: one for each.
    """
    first: dict[Hashable, int] = {}
    shared = {
        image
        for image, pid in zip(images, pids, strict=True)
        if first.setdefault(image, pid) != pid
    }
    return [number for number, image in enumerate(images) if image in shared]


def own_images(dataset: ReidDataset, inspection: Inspection) -> str | None:
    """A note on queries that are searched in a gallery which holds them; None where none is."""
    if dataset.every_crop:  # none is searched in itself
        return None
    inspection.look(dataset.query)  # before any is compared: see `Inspection.images`
    gallery = set(inspection.images(dataset.gallery))
    found = sum(image in gallery for image in inspection.images(dataset.query))
    return f"{found} queries have their own file, or its bytes, in the gallery" if found else None


def trained_on(
    train: Sequence[Record], searched: Sequence[Record], inspection: Inspection
) -> str | None:
    """A note on test images that are training images, too; None where none is."""
    inspection.look(searched)  # as above
    seen = set(inspection.images(train))
    found = sum(image in seen for image in inspection.images(searched))
    if not found:
        return None
    return f"{found} of {len(searched)} test images, or their bytes, are training images"

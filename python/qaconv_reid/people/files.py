"""Where each image goes: the names and folders of Market-1501, or those of RandPerson."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from qaconv_reid.people.scenes import DOMAINS
from qaconv_reid.people.sizes import Size
from qaconv_reid.people.walks import FRAME_RATE, SEQUENCE, TEST, TRAIN, Person, Sighting

__all__ = ["NAMINGS", "folders", "name_of", "person_of"]

#: How data sets can be written, with a word on each.
NAMINGS: Mapping[str, str] = {
    "market": "a data set for each domain, as Market-1501",
    "randperson": "one training set, as RandPerson; a domain is a scene",
}

#: The first identity of the test part: the same person has it in every domain.
_FIRST_TEST = 5001
#: RandPerson's frames a second.
_RENDERED_RATE = 24


def folders(size: Size, naming: str) -> list[PurePosixPath]:
    """The folders of the images, all of which a reader expects, below the data set's root."""
    if naming == "randperson":
        return [PurePosixPath("randperson_subset")]
    parts = ("bounding_box_train", "query", "bounding_box_test")
    return [PurePosixPath(domain, part) for domain in size.domains for part in parts]


def name_of(sighting: Sighting, size: Size, naming: str) -> PurePosixPath:
    """The path of an image below the data set's root."""
    if naming == "randperson":
        return _as_randperson(sighting, size)
    number = sighting.subject.person.number
    if sighting.part == TRAIN:
        folder, person = "bounding_box_train", 1 + number
    else:
        # The first image of each camera searches for the others.
        folder = "query" if sighting.shot == 0 else "bounding_box_test"
        person = _FIRST_TEST + number
    place = f"c{sighting.spot + 1}s{sighting.sequence + 1}"
    name = f"{person:04d}_{place}_{sighting.frame:06d}_{sighting.shot:02d}.jpg"
    return PurePosixPath(sighting.domain, folder, name)


def person_of(number: int, domain: str) -> Person:
    """Who has this number in the file names of a domain, as `name_of` names those of ``market``."""
    if number >= _FIRST_TEST:
        return Person(TEST, number - _FIRST_TEST)
    return Person(domain, number - 1)


def _as_randperson(sighting: Sighting, size: Size) -> PurePosixPath:
    scene = list(DOMAINS).index(sighting.domain)
    person = sighting.subject.person.number
    person += size.train * (len(size.domains) if sighting.part == TEST else 0)
    if sighting.part == TRAIN:
        person += size.train * size.domains.index(sighting.domain)
    time = sighting.sequence * SEQUENCE + sighting.frame / FRAME_RATE
    frame = int(time * _RENDERED_RATE)
    name = f"{person:06d}_s{scene:02d}_c{sighting.spot:02d}_f{frame:06d}.jpg"
    return PurePosixPath("randperson_subset", name)

"""Any images sorted into one folder per person, optionally within train, query and gallery."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from qaconv_reid.data.layouts.layout import Layout
from qaconv_reid.data.layouts.naming import list_folders, list_images, number_labels
from qaconv_reid.data.layouts.part_names import part_of
from qaconv_reid.data.layouts.three_folders import FOLDERS
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, shorten
from qaconv_reid.data.table import NOTHING

#: Names that tell a person and a camera, as those of Market-1501, DukeMTMC, MARS, VeRi and of
#: rendered people do.
_NAMED = re.compile(r"(?P<pid>-?\d+)(?:_s(?P<scene>\d+))?_?[cC](?:am)?(?P<camera>\d{1,9})(?!\d)")

#: Names that begin with some number, a person's perhaps.
_LEADING = re.compile(r"(\d+)[_\-]")

#: Where all folders are called so, they are cameras.
_CAMERA = re.compile(r"[cC]\d{1,2}")

_MARKET = re.compile(r"0+_c\d+s\d+_")

_WANTED = (
    "one folder per person, or the folders train, query and gallery with one folder per person in "
    "each; data.pattern (qaconv data check PATH --pattern …) reads identities from the names"
)


def _part_folders(root: Path) -> dict[str, Path]:
    """The folders of the parts, or the root alone as train."""
    folders = {part: root / part for part in PARTS if (root / part).is_dir()}
    return folders or {"train": root}


def _has_persons(folder: Path) -> bool:
    return any(list_images(person) for person in list_folders(folder))


def _looks_like(path: Path) -> bool:
    if (path / FOLDERS["gallery"]).is_dir():
        return False
    return any(_has_persons(folder) for folder in _part_folders(path).values())


def _left_out(root: Path, parts: dict[str, Path]) -> tuple[str, ...]:
    """Notes on what lies there and belongs to no person."""
    notes = []
    if root not in parts.values():
        others = [path.name for path in list_folders(root) if path.name not in PARTS]
        if others:
            notes.append(f"folders left out beside {', '.join(parts)}: {shorten(others)}")
        notes += [note for folder in parts.values() for note in _left_out(folder, {"": folder})]
        return tuple(notes)
    loose = list_images(root)
    if loose:
        names = shorten([path.name for path in loose])
        notes.append(
            f"{root.name}: {len(loose)} images outside a person's folder left out: {names}"
        )
    empty = [path.name for path in list_folders(root) if not list_images(path)]
    if empty:
        notes.append(f"{root.name}: {len(empty)} folders without images left out: {shorten(empty)}")
    return tuple(notes)


def _refuse(root: Path, seen: str) -> None:
    raise DataError(f"{root}: {seen}, wanted {_WANTED}")


def _check_persons(root: Path, images: Mapping[Path, list[Path]]) -> None:
    """That each folder is one person's, as far as names tell.

    Raises:
        DataError: a folder has the name of a part, or its images those of many identities.
    """
    suspects = [person.name for person, files in images.items() if files and _is_many(person)]
    if images and all(_CAMERA.fullmatch(person.name) for person in images):
        suspects = [person.name for person in images]
    if suspects:
        _refuse(root, f"got the folder {shorten(suspects)} among the identities")
    leading: set[str] = set()
    crowd: tuple[Path, Counter[str]] | None = None
    for person, files in images.items():
        named = [match["pid"] for path in files if (match := _NAMED.match(path.name))]
        several = sorted(set(named))
        if len(several) > 1:
            _refuse(
                root,
                f"the names in '{person.name}' tell {len(several)} identities ({shorten(several)})",
            )
        begins = Counter(m[1] for path in files if (m := _LEADING.match(path.name)))
        leading |= begins.keys()
        repeated = sum(count > 1 for count in begins.values())
        if len(begins) > 2 and 2 * repeated >= len(begins):
            crowd = crowd or (person, begins)
    # Cameras may stand first in a name as well, but there are few of them.
    if crowd is not None and len(leading) > 2 * len(images):
        person, begins = crowd
        _refuse(
            root,
            f"the names in '{person.name}' begin with {len(begins)} numbers "
            f"({shorten(sorted(begins))}), those of the {len(images)} folders with {len(leading)}, "
            "as if they were identities",
        )


def _is_many(folder: Path) -> bool:
    return part_of(folder.name) is not None or folder.name in NOTHING


def _cameras(images: Iterable[Path]) -> tuple[dict[Path, int], tuple[str, ...]]:
    """The cameras that file names tell, where all of them tell one and the folder's person."""
    cameras: dict[Path, int] = {}
    total = 0
    for path in images:
        total += 1
        match = _NAMED.match(path.name)
        # Cameras of a scene (rendered people) are other cameras in the next one.
        if match is None or match["scene"]:
            continue
        if match["pid"].lstrip("0") == path.parent.name.lstrip("0"):
            cameras[path] = int(match["camera"])
    if not cameras:
        return {}, ()
    if len(cameras) < total:
        told = f"{len(cameras)} of {total} file names tell a camera, not all: none is read"
        return {}, (told,)
    return cameras, (f"cameras are read from file names, such as {next(iter(cameras)).name}",)


def _distractor(number: Mapping[str, int], cameras: Mapping[Path, int]) -> int | None:
    """Of a copy of Market-1501 the person 0: boxes that show nobody of interest."""
    zeros = [number[name] for name in number if not name.strip("0")]
    return zeros[0] if zeros and any(_MARKET.match(image.name) for image in cameras) else None


def _load(root: Path) -> ReidDataset:
    folders = _part_folders(root)
    parts_of = {
        part: {person: list_images(person) for person in list_folders(folder)}
        for part, folder in folders.items()
    }
    everybody = {person: files for people in parts_of.values() for person, files in people.items()}
    notes: list[str] = []
    if root in folders.values():
        notes.append("no folders train, query, gallery: every image is in train")
    junk = [person for person in everybody if re.fullmatch(r"-\d+", person.name)]
    dropped = sum(len(everybody.pop(person)) for person in junk)
    if dropped:
        names = shorten(sorted({person.name for person in junk}))
        notes.append(f"{dropped} junk images (folder {names}) left out")
    _check_persons(root, everybody)
    cameras, told = _cameras(image for files in everybody.values() for image in files)
    number = number_labels(person.name for person in everybody)
    parts = {
        part: tuple(
            Record(image, number[person.name], cameras.get(image))
            for person in parts_of.get(part, {})
            if person in everybody
            for image in everybody[person]
        )
        for part in PARTS
    }
    notes += [*told, *_left_out(root, folders)]
    return ReidDataset(
        root.resolve().name,
        "folder",
        root,
        train=parts["train"],
        query=parts["query"],
        gallery=parts["gallery"],
        notes=tuple(notes),
        distractor=_distractor(number, cameras),
    )


LAYOUT = Layout(
    name="folder",
    wanted="one folder of images per person, directly or within train/, query/, gallery/",
    looks_like=_looks_like,
    load=_load,
    generic=True,
)

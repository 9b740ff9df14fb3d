"""Any images sorted into one folder per person, optionally within train, query and gallery."""

from __future__ import annotations

from pathlib import Path

from qaconv_reid.data.layouts.layout import Layout
from qaconv_reid.data.layouts.naming import list_folders, list_images, number_labels
from qaconv_reid.data.layouts.three_folders import FOLDERS
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, shorten

#: Folders that hold many persons: one of them means another layout with unexpected file names,
#: and must not be taken for a person.
_NOT_A_PERSON = {*FOLDERS.values(), *PARTS, "test", "val"}


def _part_folders(root: Path) -> dict[str, Path]:
    """The folders of the parts, or the root alone as train."""
    folders = {part: root / part for part in PARTS if (root / part).is_dir()}
    return folders or {"train": root}


def _has_persons(folder: Path) -> bool:
    return any(
        person.name not in _NOT_A_PERSON and list_images(person) for person in list_folders(folder)
    )


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


def _load(root: Path) -> ReidDataset:
    folders = _part_folders(root)
    persons = {part: list_folders(folder) for part, folder in folders.items()}
    suspects = [p.name for paths in persons.values() for p in paths if p.name in _NOT_A_PERSON]
    if suspects:
        raise DataError(
            f"{root}: got the folder {shorten(suspects)} among the persons, wanted one folder per "
            "person, or the folders train, query and gallery with one folder per person in each"
        )
    number = number_labels(person.name for paths in persons.values() for person in paths)
    parts = {
        part: tuple(
            Record(image, number[person.name])
            for person in persons.get(part, [])
            for image in list_images(person)
        )
        for part in PARTS
    }
    notes = _left_out(root, folders)
    if root in folders.values():
        notes = ("no folders train, query, gallery: every image is in train", *notes)
    return ReidDataset(root.resolve().name, "folder", root, **parts, notes=notes)


LAYOUT = Layout(
    name="folder",
    wanted="one folder of images per person, directly or within train/, query/, gallery/",
    looks_like=_looks_like,
    load=_load,
    generic=True,
)

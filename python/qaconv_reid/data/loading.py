"""From a path to a data set: which layout it has, and its records."""

from __future__ import annotations

import errno
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from qaconv_reid import packed
from qaconv_reid.data.counts import is_published
from qaconv_reid.data.decoding import is_archive
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.layouts.naming import MOST_DIGITS, list_folders, list_images
from qaconv_reid.data.layouts.pattern import load_by_pattern
from qaconv_reid.data.records import DataError, Record, ReidDataset
from qaconv_reid.files import expanded
from qaconv_reid.text import printable

#: How many folders and files of an unknown layout a message shows.
_SHOWN = 12


class DatasetSpec(NamedTuple):
    """A data set as named on a command line; ``load(*spec)`` reads it."""

    path: Path
    layout: str | None


def parse_spec(text: str) -> DatasetSpec:
    """Read ``"PATH"`` or ``"LAYOUT:PATH"``.

    Raises:
        DataError: The text is empty, or names an unknown layout and is no existing path either.
    """
    prefix, colon, rest = text.partition(":")
    if colon and rest and prefix in LAYOUTS:
        return DatasetSpec(packed.located(expanded(rest)), prefix)
    # one letter before the colon is a Windows drive
    if colon and len(prefix) > 1 and "/" not in prefix and not _is_there(expanded(text)):
        raise DataError(f"data set '{text}': {_unknown_layout(prefix)}")
    if not text:
        raise DataError("data set: got an empty text, wanted PATH or LAYOUT:PATH")
    return DatasetSpec(packed.located(expanded(text)), None)


def recognize(path: str | Path) -> str:
    """The name of the layout that ``path``, or the one data set right below it, has.

    Raises:
        DataError: There is nothing there, no layout fits, or several data sets lie below.
    """
    return _find(located(Path(path)), list(LAYOUTS.values()))[0].name


def load(
    path: str | Path,
    layout: str | None = None,
    *,
    combine_all: bool = False,
    pattern: str | None = None,
) -> ReidDataset:
    """Read a data set.

    Args:
        path: Its folder, the folder right above it, or a CSV file; each may lie in a ZIP file
            (``people.zip/plaza``), which is read as it is.
        layout: A name of ``LAYOUTS``; None recognizes it.
        combine_all: Train on query and gallery too, as in "MSMT17 (all)"; distractors stay out.
            Query and gallery remain as they were and are then no unseen data.
        pattern: Of ``data.pattern``: reads what is given without a layout.

    Returns:
        Name and notes are fit to be shown, whatever the files are called.

    Raises:
        DataError: It cannot be read as it is; the text says why.
    """
    path = located(Path(path))
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"layout: {_unknown_layout(layout)}")
    if is_archive(path):
        raise DataError(
            f"{path}: this is an archive, wanted a data set: unpack it, give its folder"
        )
    if pattern is not None and layout in (None, LAYOUTS["pattern"].name):
        if not _is_there(path):
            raise DataError(_nothing_there(path))
        found, dataset = LAYOUTS["pattern"], load_by_pattern(path, pattern)
    else:
        wanted = list(LAYOUTS.values()) if layout is None else [LAYOUTS[layout]]
        found, root = _find(path, wanted)
        dataset = found.load(root)
    if not any(dataset.parts.values()):
        raise DataError(f"{dataset.root}: got no images, wanted {found.wanted}")
    _check_numbers(dataset)
    if dataset.distractor is None:
        dataset = replace(dataset, distractor=found.distractor)
    if not is_published(dataset, found):
        # Someone's own images must not stand under a published name in a table of results.
        dataset = replace(dataset, name=dataset.root.resolve().name)
    if combine_all:
        dataset = _combine_all(dataset)
    notes = (*dataset.notes, *_camera_notes(dataset))
    return replace(dataset, name=printable(dataset.name), notes=tuple(map(printable, notes)))


def located(path: Path) -> Path:
    """The path itself; where it leads into a ZIP file, the way into that.

    Raises:
        DataError: the file cannot be read as one.
    """
    found = packed.located(path)
    try:
        if isinstance(found, packed.PackedPath):
            found.exists()
    except OSError as error:
        raise DataError(str(error)) from None
    return found


def _check_numbers(dataset: ReidDataset) -> None:
    """That numbers of identities and cameras can be held by a tensor."""
    most = 10**MOST_DIGITS
    for record in (record for records in dataset.parts.values() for record in records):
        for what, number in (("identity", record.person), ("camera", record.camera or 0)):
            if not -most < number < most:
                raise DataError(
                    f"{record.path}: {what}: got a number of more than {MOST_DIGITS} digits"
                )


def _combine_all(dataset: ReidDataset) -> ReidDataset:
    test = (r for r in (*dataset.query, *dataset.gallery) if r.person != dataset.distractor)
    note = (
        "all parts are in train: results on its query and gallery say nothing about new identities"
    )
    return replace(dataset, train=(*dataset.train, *test), notes=(*dataset.notes, note))


def _camera_notes(dataset: ReidDataset) -> tuple[str, ...]:
    test: tuple[Record, ...] = (*dataset.query, *dataset.gallery)
    unknown = sum(record.camera is None for record in test)
    if not unknown:
        return ()
    if unknown == len(test):
        return ("no camera numbers: the same-camera rule is off",)
    return (f"{unknown} of {len(test)} test images have no camera: no same-camera rule for them",)


def _find(path: Path, layouts: list[Layout]) -> tuple[Layout, Path]:
    """The layout of a path and the path it begins at: here first, then one level down."""
    if not _is_there(path):
        raise DataError(_nothing_there(path))
    specific = [layout for layout in layouts if not layout.generic]
    for layout in specific:
        if layout.looks_like(path):
            return layout, path
    below = [
        (layout, folder)
        for folder in list_folders(path)
        for layout in specific
        if layout.looks_like(folder)
    ]
    if len(below) > 1:
        found = ", ".join(f"{folder.name}/ ({layout.name})" for layout, folder in below[:_SHOWN])
        raise DataError(f"{path}: got {len(below)} data sets ({found}), wanted the path of one")
    if below:
        return below[0]
    for layout in layouts:
        if layout.generic and layout.looks_like(path):
            return layout, path
    raise DataError(*_not_recognized(path, layouts))


def _is_there(path: Path) -> bool:
    """Whether something has that path; nothing has one that is longer than paths may be."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def _nothing_there(path: Path) -> str:
    return f"{path}: there is no such file or folder, wanted a data set"


def _not_recognized(path: Path, layouts: list[Layout]) -> list[str]:
    heading = "known layouts:" if len(layouts) > 1 else "wanted:"
    wanted = [f"  {layout.name}: {layout.wanted}" for layout in layouts]
    return [f"{path}: layout not recognized", "found:", *_contents(path), heading, *wanted]


def _contents(path: Path) -> list[str]:
    """What lies in a folder: with a file name of each folder, as names tell layouts apart."""
    if not path.is_dir():
        return [f"  a file named {path.name}"]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    lines = []
    for entry in entries[:_SHOWN]:
        if not entry.is_dir():
            lines.append(f"  {entry.name}{' (an archive: unpack it)' * is_archive(entry)}")
            continue
        images = list_images(entry)
        example = f", such as {images[0].name}" if images else ""
        folders = len(list_folders(entry))
        lines.append(f"  {entry.name}/ ({len(images)} images{example}; {folders} folders)")
    if len(entries) > _SHOWN:
        lines.append(f"  and {len(entries) - _SHOWN} more")
    return lines or ["  nothing"]


def _unknown_layout(name: str) -> str:
    near = get_close_matches(name, LAYOUTS, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"got the layout '{name}'{hint}, wanted one of {', '.join(LAYOUTS)}"

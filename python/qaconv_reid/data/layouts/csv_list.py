"""Any images listed in a CSV file: ``path,person[,camera,time,split]``."""

from __future__ import annotations

import math
import os
from pathlib import Path

from qaconv_reid.data.layouts.layout import Layout
from qaconv_reid.data.layouts.naming import number_labels
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, shorten
from qaconv_reid.data.table import Table, read_table
from qaconv_reid.packed import is_there, listed

_REQUIRED = ("path", "person")
_OPTIONAL = ("camera", "time", "split")
_WANTED = "a CSV file with the columns path,person[,camera,time,split]"


def _lists_in(folder: Path) -> list[Path]:
    def has_columns(file: Path) -> bool:
        try:
            # A pipe of that name would be waited for.
            return file.is_file() and bool(read_table(file, _REQUIRED, _WANTED).columns)
        except DataError:
            return False

    if not folder.is_dir():
        return []
    files = sorted(folder / e.name for e in listed(folder) if e.name.endswith(".csv"))
    return [file for file in files if has_columns(file)]


def _looks_like(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".csv"
    return bool(_lists_in(path))


def _find(root: Path) -> Path:
    if root.is_file():
        return root
    files = _lists_in(root)
    if len(files) > 1:
        names = shorten([file.name for file in files])
        raise DataError(f"{root}: got {len(files)} CSV files ({names}), wanted the path of one")
    return files[0]


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError
    return text


def _time(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _split(text: str) -> str:
    split = text.lower() or "train"
    if split not in PARTS:
        raise ValueError
    return split


def _check_identities(table: Table, paths: list[Path], persons: list[str]) -> None:
    """That no image is listed under two identities."""
    first: dict[str, int] = {}
    twice = []
    for row, path in enumerate(paths):
        before = first.setdefault(os.path.normpath(path), row)
        if persons[before] != persons[row]:
            twice.append(row)
    table.refuse(
        "path", "images that stand under another identity as well", twice, "one identity each"
    )


def _load(root: Path) -> ReidDataset:
    file = _find(root)
    table = read_table(file, _REQUIRED, _WANTED)
    texts = table.column("path", _path, "a path relative to the CSV file")
    paths = [file.parent / text for text in texts]
    missing = [row for row, path in enumerate(paths) if not is_there(path)]
    if missing:
        where = shorten([f"line {table.lines[row]}: {texts[row]}" for row in missing])
        raise DataError(
            f"{file}: path: names {len(missing)} of {len(paths)} images that do not exist ({where})"
        )
    persons = table.labels("person", "a name or a whole number from 0")
    cameras = table.labels("camera", "a name or a whole number from 0, or nothing", optional=True)
    times = table.column("time", _time, "seconds on the camera's clock, or nothing")
    splits = table.column("split", _split, f"one of {', '.join(PARTS)}, or nothing for train")
    _check_identities(table, paths, persons)

    person_number = number_labels(persons)
    camera_number = number_labels(filter(None, cameras))
    parts: dict[str, list[Record]] = {part: [] for part in PARTS}
    for path, person, camera, time, split in zip(
        paths, persons, cameras, times, splits, strict=True
    ):
        record = Record(path, person_number[person], camera_number.get(camera), time)
        parts[split].append(record)
    unused = [name for name in table.columns if name and name not in (*_REQUIRED, *_OPTIONAL)]
    notes = (f"columns not used: {shorten(unused, 8)}",) if unused else ()
    records = {part: tuple(items) for part, items in parts.items()}
    return ReidDataset(
        file.stem,
        "csv",
        file,
        train=records["train"],
        query=records["query"],
        gallery=records["gallery"],
        notes=notes,
    )


LAYOUT = Layout(
    name="csv",
    wanted=_WANTED,
    looks_like=_looks_like,
    load=_load,
    generic=True,
)

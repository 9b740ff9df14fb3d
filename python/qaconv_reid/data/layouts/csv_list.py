"""Any images listed in a CSV file: ``path,person[,camera,time,split]``."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from qaconv_reid.data.layouts.layout import Layout
from qaconv_reid.data.layouts.naming import number_labels
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, shorten

_REQUIRED = ("path", "person")
_OPTIONAL = ("camera", "time", "split")
_WANTED = "a CSV file with the columns path,person[,camera,time,split]"

_Row = dict[str, str]
_T = TypeVar("_T")


def _open(file: Path) -> Iterator[list[str]]:
    # utf-8-sig: spreadsheets begin the file with a byte-order mark, which would join the first name
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.reader(lines)


def _header(file: Path) -> list[str]:
    return [name.strip().lower() for name in next(_open(file), [])]


def _lists_in(folder: Path) -> list[Path]:
    def has_columns(file: Path) -> bool:
        try:
            return set(_REQUIRED) <= set(_header(file))
        except (OSError, UnicodeDecodeError, csv.Error):
            return False

    return [file for file in sorted(folder.glob("*.csv")) if has_columns(file)]


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


def _read_rows(file: Path) -> list[tuple[int, _Row]]:
    """The rows with their line numbers; blank lines are passed over."""
    try:
        header = _header(file)
        lines = list(enumerate(_open(file), start=1))[1:]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 CSV ({error})") from error
    absent = [name for name in _REQUIRED if name not in header]
    if absent:
        raise DataError(
            f"{file}: lacks the column {shorten(absent)} (it has {shorten(header, 8) or 'none'}), "
            f"wanted {_WANTED}"
        )
    rows = []
    for number, cells in lines:
        if any(cell.strip() for cell in cells):
            padded = [*cells, *[""] * (len(header) - len(cells))]
            rows.append((number, {n: c.strip() for n, c in zip(header, padded, strict=False)}))
    return rows


def _column(
    file: Path,
    rows: list[tuple[int, _Row]],
    name: str,
    convert: Callable[[str], _T],
    wanted: str,
) -> list[_T]:
    """One column converted; the error names the first few cells that cannot be."""
    values: list[_T] = []
    strange: list[str] = []
    for number, row in rows:
        try:
            values.append(convert(row.get(name, "")))
        except ValueError:
            strange.append(f"line {number}: {row.get(name, '')}")
    if strange:
        raise DataError(f"{file}: {name}: got {shorten(strange)}, wanted {wanted}")
    return values


def _label(text: str) -> str:
    # a negative number is another data set's mark of junk, and would become a person here
    if not text or (text.startswith("-") and text[1:].isdecimal()):
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


def _load(root: Path) -> ReidDataset:
    file = _find(root)
    rows = _read_rows(file)
    paths = [
        file.parent / text
        for text in _column(file, rows, "path", _label, "a path relative to the CSV file")
    ]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{file}: names {len(missing)} of {len(paths)} images that do not exist "
            f"({shorten(missing)})"
        )
    persons = _column(file, rows, "person", _label, "a name or a number from 0")
    cameras = _column(
        file,
        rows,
        "camera",
        lambda text: _label(text) if text else "",
        "a name or a number from 0, or nothing",
    )
    times = _column(file, rows, "time", _time, "seconds on the camera's clock, or nothing")
    splits = _column(
        file, rows, "split", _split, f"one of {', '.join(PARTS)}, or nothing for train"
    )

    person_number = number_labels(persons)
    camera_number = number_labels(filter(None, cameras))
    parts: dict[str, list[Record]] = {part: [] for part in PARTS}
    for path, person, camera, time, split in zip(
        paths, persons, cameras, times, splits, strict=True
    ):
        record = Record(path, person_number[person], camera_number.get(camera), time)
        parts[split].append(record)
    unused = [name for name in _header(file) if name not in (*_REQUIRED, *_OPTIONAL)]
    notes = (f"columns not used: {shorten(unused, 8)}",) if unused else ()
    records = {part: tuple(items) for part, items in parts.items()}
    return ReidDataset(file.stem, "csv", file, **records, notes=notes)


LAYOUT = Layout(
    name="csv",
    wanted=_WANTED,
    looks_like=_looks_like,
    load=_load,
    generic=True,
)

"""Rows from what somebody has: a folder, a data set, a CSV, a list of paths, a table of columns."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from qaconv_reid import data
from qaconv_reid.data import Box, Record, images_below
from qaconv_reid.files import expanded
from qaconv_reid.gallery.table import GalleryError, Row
from qaconv_reid.packed import is_there

__all__ = ["RowSource", "list_rows"]

_T = TypeVar("_T")

#: File names that tell who and where, as those of Market-1501 and DukeMTMC do.
_NAMED = re.compile(r"(?P<pid>-?\d+)_c(?P<camera>\d{1,9})(?!\d)")
_NOBODY = re.compile(r"-\d+(\.0*)?")
_BOX = ("x", "y", "w", "h")
_COLUMNS = ("path", "identity", "person", "camera", "time", *_BOX)


@runtime_checkable
class _Frame(Protocol):
    """What a data frame of pandas can do that is needed here."""

    def to_dict(self, orient: str) -> dict[str, list[Any]]:
        """Its columns, with ``"list"``."""


_Place: TypeAlias = str | os.PathLike[str]
RowSource: TypeAlias = _Place | Sequence[_Place] | Mapping[str, Sequence[Any]] | _Frame


def list_rows(source: RowSource) -> list[Row]:
    """The rows of a source; no image is opened.

    Args:
        source: an image, or a folder: every image below it, with identity and camera where file
            names begin as ``0002_c1``, or the gallery of a data set that lies there; a CSV with the
            columns ``path`` (relative to the file) and, where known, ``identity``, ``camera``
            (whole numbers), ``time`` (seconds) and ``x, y, w, h`` (a box in the image); a list of
            these; or the columns themselves, as a mapping or a data frame.

    Raises:
        GalleryError, DataError: something is not there or cannot be read; the message says what.
    """
    if isinstance(source, str | os.PathLike):
        return _from_place(expanded(source))
    if isinstance(source, Mapping):
        return _from_columns(source, Path(), "columns")
    if isinstance(source, _Frame):
        return _from_columns(source.to_dict("list"), Path(), "columns")
    if not isinstance(source, Sequence):
        raise GalleryError(
            f"images: got {type(source).__name__}, wanted a folder, a CSV, paths or columns"
        )
    return [row for place in source for row in _from_place(expanded(place))]


def _from_place(path: Path) -> list[Row]:
    path = data.located(path)
    if path.suffix.lower() == ".csv" and path.is_file():
        return _from_csv(path)
    if data.is_archive(path):
        raise GalleryError(f"{path}: this is an archive, wanted images: unpack it")
    if path.is_file():
        return [_from_name(path)]
    if not path.is_dir():
        raise GalleryError(f"{path}: there is no such file or folder, wanted images")
    records = _gallery_of(path)
    return [_from_name(image) for image in images_below(path)] if records is None else records


def _gallery_of(path: Path) -> list[Row] | None:
    """The gallery of a data set of a published layout; None where there is none."""
    try:
        layout = data.recognize(path)
    except data.DataError:
        return None
    if data.LAYOUTS[layout].generic:
        return None
    return [_from_record(record) for record in data.load(path, layout).gallery] or None


def _from_record(record: Record) -> Row:
    return Row(_whole(record.path), str(record.person), record.camera, record.time)


def _from_name(path: Path) -> Row:
    match = _NAMED.match(path.name)
    if match is None:
        return Row(_whole(path))
    pid = int(match["pid"])
    # A negative number is the mark of an image of nobody.
    return Row(_whole(path), None if pid < 0 else str(pid), int(match["camera"]))


def _from_csv(file: Path) -> list[Row]:
    table = data.read_table(file, ("path",), "a CSV file with a line of names, path among them")
    who = "identity" if "identity" in table.columns else "person"
    columns: dict[str, Sequence[Any]] = {n: cells for n, cells in table.columns.items() if n}
    if who in columns:
        # As in names of files, a negative number is nobody.
        table.columns[who] = ["" if _NOBODY.fullmatch(cell) else cell for cell in table.cells(who)]
        columns[who] = table.labels(who, "a name or a whole number, or nothing", optional=True)
    return _from_columns(columns, file.parent, str(file), table.lines)


def _from_columns(
    columns: Mapping[str, Sequence[Any]], base: Path, place: str, lines: Sequence[int] = ()
) -> list[Row]:
    """Rows of columns; ``lines`` are where they stand in a file, empty where they are of none."""
    unknown = [name for name in columns if name not in _COLUMNS]
    if "path" not in columns or unknown:
        raise GalleryError(
            f"{place}: got the columns {', '.join(map(str, columns)) or 'none'}, wanted path "
            f"and of {', '.join(_COLUMNS[1:])} those that are known"
        )
    count = len(columns["path"])
    lengths = {name: len(values) for name, values in columns.items()}
    if set(lengths.values()) != {count}:
        raise GalleryError(f"{place}: got columns of {lengths} entries, wanted as many in each")
    boxed = [name for name in _BOX if name in columns]
    if boxed and len(boxed) < len(_BOX):
        raise GalleryError(f"{place}: got of a box {', '.join(boxed)} alone, wanted x, y, w and h")

    def where(number: int) -> str:
        return f"line {lines[number - 1]}" if lines else f"row {number}"

    def column(name: str, convert: Callable[[Any], _T], wanted: str) -> list[_T | None]:
        values: list[_T | None] = []
        for number, cell in enumerate(columns.get(name, [None] * count), start=1):
            try:
                values.append(None if _is_blank(cell) else convert(cell))
            except (ValueError, TypeError):
                raise GalleryError(
                    f"{place}: {name}: got {cell!r} in {where(number)}, wanted {wanted}"
                ) from None
        return values

    paths = column("path", lambda cell: base / expanded(cell), "a path")
    for number, path in enumerate(paths, start=1):
        if path is None or not is_there(data.located(path)):
            raise GalleryError(
                f"{place}: path: got {path} in {where(number)}, wanted an image there"
            )
    who = "identity" if "identity" in columns else "person"
    sides = [column(name, _whole_number, "a whole number of pixels") for name in _BOX]
    return [
        Row(_whole(path), identity, camera, time, _box(box, place, where(number)))
        for number, (path, identity, camera, time, *box) in enumerate(
            zip(
                paths,
                column(who, _label, "a name or a number"),
                column("camera", _whole_number, "a whole number"),
                column("time", _seconds, "seconds"),
                *sides,
                strict=True,
            ),
            start=1,
        )
        if path is not None
    ]


def _is_blank(cell: Any) -> bool:
    """Nothing, an empty text, or the NaN that a data frame has for nothing."""
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _label(cell: Any) -> str:
    """A name; a data frame with gaps has floats for whole numbers."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _whole_number(cell: Any) -> int:
    number = float(cell)
    if not math.isfinite(number) or number != int(number) or abs(number) >= 2**63:
        raise ValueError
    return int(number)


def _seconds(cell: Any) -> float:
    if not math.isfinite(float(cell)):
        raise ValueError
    return float(cell)


def _box(sides: Sequence[int | None], place: str, where: str) -> Box | None:
    left, top, width, height = sides
    if left is None and top is None and width is None and height is None:
        return None
    if left is None or top is None or width is None or height is None or min(width, height) < 1:
        raise GalleryError(
            f"{place}: box: got {list(sides)} (x, y, w, h) in {where}, wanted four numbers, "
            "w and h at least 1"
        )
    return left, top, width, height


def _whole(path: Path) -> str:
    """The path from the root, so that it is the same image from every folder."""
    return os.path.abspath(path)

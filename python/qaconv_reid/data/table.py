"""A table from a CSV file, with the line that each row stands in: errors name line and column."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from qaconv_reid.data.records import DataError, shorten

__all__ = ["NOTHING", "Table", "label", "read_table", "read_text"]

_T = TypeVar("_T")

#: Cells of a line may be separated by: what spreadsheets write, in one country or another.
_SEPARATORS = ",;\t"

#: What programs write into a cell for nothing.
NOTHING = frozenset(
    {"nan", "NaN", "NAN", "<NA>", "NA", "N/A", "n/a", "#N/A", "None", "null", "NULL"}
)

#: A whole number as somebody or some program writes it: a column with gaps becomes 1.0, 2.0, …
_WHOLE = re.compile(r"\+?(-?\d+)(?:\.0*)?")
_FRACTION = re.compile(r"[-+]?(\d*\.\d+(e[-+]?\d+)?|\d+\.?e[-+]\d+|inf|infinity)")


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file, by their names in small letters, and the line of each row."""

    file: Path
    columns: dict[str, list[str]]
    """Cells without spaces around them."""
    lines: list[int]

    def column(self, name: str, convert: Callable[[str], _T], wanted: str) -> list[_T]:
        """One column converted; without such a column every cell is empty.

        Raises:
            DataError: ``convert`` raised a ValueError; the first few cells are named.
        """
        values: list[_T] = []
        strange: list[str] = []
        for line, cell in zip(self.lines, self.cells(name), strict=True):
            try:
                values.append(convert(cell))
            except ValueError:
                strange.append(f"line {line}: {cell}")
        if strange:
            raise DataError(f"{self.file}: {name}: got {shorten(strange)}, wanted {wanted}")
        return values

    def labels(self, name: str, wanted: str, *, optional: bool = False) -> list[str]:
        """A column of names or numbers: see `label`.

        Raises:
            DataError: a cell is none, or one number is written in several ways.
        """
        found = self.column(name, lambda cell: "" if optional and not cell else label(cell), wanted)
        first: dict[int, tuple[str, int]] = {}
        for line, text in zip(self.lines, found, strict=True):
            if text.isdecimal() and len(text) < 4000:
                before, where = first.setdefault(int(text), (text, line))
                if before != text:
                    raise DataError(
                        f"{self.file}: {name}: got '{before}' in line {where} and '{text}' in line "
                        f"{line}, wanted one number written in one way"
                    )
        return found

    def cells(self, name: str) -> list[str]:
        """A column as it is; empty cells where there is no such column."""
        return self.columns.get(name, [""] * len(self.lines))

    def refuse(self, name: str, problem: str, rows: Iterable[int], wanted: str) -> None:
        """Raise a DataError that names the lines of those rows; nothing where there are none."""
        where = [f"line {self.lines[row]}: {self.cells(name)[row]}" for row in rows]
        if where:
            raise DataError(
                f"{self.file}: {name}: got {len(where)} {problem} ({shorten(where)}), wanted "
                f"{wanted}"
            )


def label(text: str) -> str:
    """The name of somebody or something: a name, or a whole number from 0.

    Raises:
        ValueError: it is empty, a program's word for nothing, negative (another data set's mark of
            images of nobody), or a number that is not whole.
    """
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        text = whole[1]
    negative = text.startswith("-") and text[1:].isdecimal()
    if not text or negative or text in NOTHING or _FRACTION.fullmatch(text.lower()):
        raise ValueError
    return unicodedata.normalize("NFC", text)


def read_text(file: Path) -> str:
    """The text of a list, without a byte-order mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8; the line is named.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{file}: cannot be read as UTF-8 (line 1: it is UTF-16), wanted UTF-8")
    try:
        # utf-8-sig: a byte-order mark, as spreadsheets write, would join the first word.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise DataError(
            f"{file}: cannot be read as UTF-8 (line {line}, byte {column}: "
            f"0x{content[error.start]:02x}), wanted UTF-8"
        ) from None


def read_table(file: Path, required: Iterable[str], wanted: str) -> Table:
    """The rows of a CSV file; blank ones are passed over.

    Args:
        file: of UTF-8; cells are separated by commas, semicolons or tabs.
        required: columns that it must have.
        wanted: what such a file is, for errors.

    Raises:
        DataError: it cannot be read, lacks a column, names one twice, or has a row of more cells
            than there are columns.
    """
    text = read_text(file)
    needed = list(required)
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for separator in _SEPARATORS:
        found, body = _parse(file, text, separator, wanted)
        if not header or set(needed) <= set(found):
            header, rows = found, body
        if set(needed) <= set(found):
            break
    absent = [name for name in needed if name not in header]
    if absent:
        raise DataError(
            f"{file}: lacks the column {shorten(absent)} (it has {shorten(header, 8) or 'none'}), "
            f"wanted {wanted}"
        )
    _check_header(file, header, rows)
    columns: dict[str, list[str]] = {name: [] for name in header}
    for line, cells in rows:
        surplus = [cell for cell in cells[len(header) :] if cell]
        if surplus:
            raise DataError(
                f"{file}: line {line}: got {len(cells)} cells, {shorten(surplus)} behind the last "
                f"column, wanted {len(header)} as line 1 has"
            )
        for place, name in enumerate(header):
            columns[name].append(cells[place] if place < len(cells) else "")
    return Table(file, columns, [line for line, _ in rows])


def _parse(
    file: Path, text: str, separator: str, wanted: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        begins = 1
        for cells in reader:
            rows.append((begins, [cell.strip() for cell in cells]))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{file}: line {begins}: cannot be read as CSV ({error}), wanted {wanted}"
        ) from None
    header = [name.lower() for name in rows[0][1]] if rows else []
    return header, [(line, cells) for line, cells in rows[1:] if any(cells)]


def _check_header(file: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    for place, name in enumerate(header):
        if name in header[:place]:
            # Spreadsheets leave empty columns behind the last one.
            if not name and not any(place < len(cells) and cells[place] for _, cells in rows):
                continue
            first = header.index(name) + 1
            raise DataError(
                f"{file}: line 1: got the column '{name}' twice (columns {first} and {place + 1}), "
                "wanted each once"
            )

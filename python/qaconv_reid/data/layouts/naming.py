"""Facts about images that are written in their file names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from qaconv_reid.data.decoding import SUFFIXES
from qaconv_reid.data.records import DataError, shorten
from qaconv_reid.packed import listed

#: How many files of a folder are looked at to recognize its naming.
_SAMPLE = 64

#: Digits of the largest number that is kept as it is: a tensor holds numbers below 2^63.
MOST_DIGITS = 18

#: A file name's path and the fields found in it.
Named = tuple[Path, re.Match[str]]


def is_image(name: str) -> bool:
    """Whether a file name is an image's; hidden files and Windows' ``Thumbs.db`` are not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """The image files directly in a folder, sorted by name; none where it does not exist."""
    if not folder.is_dir():
        return []
    return [folder / name for name in sorted(e.name for e in listed(folder) if is_image(e.name))]


def list_folders(folder: Path) -> list[Path]:
    """The visible folders directly in a folder, sorted by name."""
    if not folder.is_dir():
        return []
    names = sorted(e.name for e in listed(folder) if e.is_dir() and not e.name.startswith("."))
    return [folder / name for name in names]


def fits(folder: Path, pattern: re.Pattern[str]) -> bool:
    """Whether most image names of a folder's first files match ``pattern``.

    Only the first few are looked at, in the order of the file system: a folder of mixed naming,
    where that order could matter, is refused by ``parse`` whichever layout is tried.
    """
    if not folder.is_dir():
        return False
    names = list(islice((e.name for e in listed(folder) if is_image(e.name)), _SAMPLE))
    return 2 * sum(pattern.match(name) is not None for name in names) > len(names)


def parse(folder: Path, pattern: re.Pattern[str], wanted: str) -> list[Named]:
    """The images of a folder with the fields of their names, sorted by name.

    Args:
        folder: Where the images lie.
        pattern: Matched at the start of each file name.
        wanted: An example of a right name, for the error.

    Raises:
        DataError: Some names do not match; the first few are named.
    """
    named: list[Named] = []
    strange: list[str] = []
    for path in list_images(folder):
        match = pattern.match(path.name)
        if match is None:
            strange.append(path.name)
        else:
            named.append((path, match))
    if strange:
        raise DataError(
            f"{folder}: got {len(strange)} of {len(strange) + len(named)} image names that cannot "
            f"be read ({shorten(strange)}), wanted names such as '{wanted}'"
        )
    return named


def is_number(text: str) -> bool:
    """Whether a text is a number from 0 that a tensor can hold."""
    return text.isdecimal() and len(text) <= MOST_DIGITS


def number_labels(labels: Iterable[str]) -> dict[str, int]:
    """A number for each distinct label: its own where all are distinct numbers, else its rank.

    Numbers that no tensor can hold are ranked as names are.

    >>> number_labels(["0007", "0002"])
    {'0002': 2, '0007': 7}
    >>> number_labels(["bob", "ann"])
    {'ann': 0, 'bob': 1}
    """
    distinct = sorted(set(labels))
    if all(map(is_number, distinct)):
        numbers = {label: int(label) for label in distinct}
        if len(set(numbers.values())) == len(numbers):
            return numbers
    return {label: rank for rank, label in enumerate(distinct)}

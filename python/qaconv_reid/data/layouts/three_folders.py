"""The three folders that Market-1501 began with and CUHK03-NP and DukeMTMC-reID kept.

Only the file names tell these data sets apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from qaconv_reid.data.layouts.naming import Named, fits, parse
from qaconv_reid.data.records import PARTS, Record, ReidDataset

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def looks_like(path: Path, pattern: re.Pattern[str]) -> bool:
    """Whether the folders are there and hold images named by ``pattern``; train may be missing."""
    if not all((path / FOLDERS[part]).is_dir() for part in ("query", "gallery")):
        return False
    return any(fits(path / folder, pattern) for folder in FOLDERS.values())


def parse_parts(root: Path, pattern: re.Pattern[str], wanted: str) -> dict[str, list[Named]]:
    """The named images of each part, junk included; ``pattern`` has a group ``pid``."""
    return {part: parse(root / FOLDERS[part], pattern, wanted) for part in PARTS}


def without_junk(images: dict[str, list[Named]]) -> tuple[dict[str, list[Named]], tuple[str, ...]]:
    """The images that show a person, and a note on how many were left out.

    A negative number, -1, is that of boxes that show no whole person: of no use as a right or a
    wrong match.
    """
    kept = {
        part: [named for named in items if int(named[1]["pid"]) >= 0]
        for part, items in images.items()
    }
    dropped = sum(map(len, images.values())) - sum(map(len, kept.values()))
    return kept, ((f"{dropped} junk images (pid -1) left out",) if dropped else ())


def build(
    name: str,
    layout: str,
    root: Path,
    images: dict[str, list[Named]],
    record: Callable[[Path, re.Match[str]], Record],
    notes: tuple[str, ...],
) -> ReidDataset:
    """The data set whose records ``record`` makes of a path and the fields of its name."""
    parts = {part: tuple(record(path, match) for path, match in images[part]) for part in PARTS}
    return ReidDataset(
        name,
        layout,
        root,
        train=parts["train"],
        query=parts["query"],
        gallery=parts["gallery"],
        notes=notes,
    )

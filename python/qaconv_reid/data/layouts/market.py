"""Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from qaconv_reid.data.layouts import three_folders
from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.layouts.naming import Named
from qaconv_reid.data.records import Record, ReidDataset

_NAME = re.compile(r"(?P<pid>-?\d+)_c(?P<camera>\d+)s(?P<sequence>\d+)_(?P<frame>\d+)_\d+")
_EXAMPLE = "0002_c1s1_000451_03.jpg"
_FRAMES_PER_SECOND = 25.0


def _sequence_offsets(images: Iterable[Named]) -> dict[tuple[int, int], int]:
    """Frames before sequence s of camera c, as ``{(c, s): frames}``.

    Each sequence counts its frames from 0. They are taken to follow each other without a gap, each
    as long as the largest frame number seen in it, so all parts must be given.
    """
    longest: dict[tuple[int, int], int] = {}
    for _, match in images:
        key = int(match["camera"]), int(match["sequence"])
        longest[key] = max(longest.get(key, 0), int(match["frame"]))
    offsets: dict[tuple[int, int], int] = {}
    elapsed: dict[int, int] = {}
    for camera, sequence in sorted(longest):
        offsets[camera, sequence] = elapsed.get(camera, 0)
        elapsed[camera] = offsets[camera, sequence] + longest[camera, sequence]
    return offsets


def _looks_like(path: Path) -> bool:
    return three_folders.looks_like(path, _NAME)


def _load(root: Path) -> ReidDataset:
    named = three_folders.parse_parts(root, _NAME, _EXAMPLE)
    images, notes = three_folders.without_junk(named)
    offsets = _sequence_offsets(item for items in images.values() for item in items)

    def record(path: Path, match: re.Match[str]) -> Record:
        camera, sequence = int(match["camera"]), int(match["sequence"])
        frame = int(match["frame"]) + offsets[camera, sequence]
        return Record(path, int(match["pid"]), camera, frame / _FRAMES_PER_SECOND)

    return three_folders.build("Market-1501", "market", root, images, record, notes)


LAYOUT = Layout(
    name="market",
    wanted=f"bounding_box_train/, query/, bounding_box_test/ with names such as {_EXAMPLE}",
    looks_like=_looks_like,
    load=_load,
    official={
        "Market-1501": {
            "train": Counts(751, 12936),
            "query": Counts(750, 3368),
            "gallery": Counts(750, 15913),
        }
    },
    distractor=0,
)

"""DukeMTMC-reID (Ristani et al., ECCV Workshops 2016; Zheng et al., ICCV 2017), withdrawn in 2019.

Read where a copy is at hand, so that older results can be compared with; nothing here links to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from qaconv_reid.data.layouts import three_folders
from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.records import DataError, Record, ReidDataset

_NAME = re.compile(r"(?P<pid>-?\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)")
_EXAMPLE = "0001_c2_f0046182.jpg"
_FRAMES_PER_SECOND = 59.94

#: When each camera, 1 to 8, began: frames after camera 5.
_CAMERA_START = (5542, 3606, 27243, 31181, 0, 22401, 18967, 46765)

_WITHDRAWN = "DukeMTMC-reID was withdrawn by its authors in 2019: consider another data set"


def _looks_like(path: Path) -> bool:
    return three_folders.looks_like(path, _NAME)


def _record(path: Path, match: re.Match[str]) -> Record:
    camera = int(match["camera"])
    if not 1 <= camera <= len(_CAMERA_START):
        raise DataError(f"{path}: got camera {camera}, wanted 1 to {len(_CAMERA_START)}")
    frame = int(match["frame"]) + _CAMERA_START[camera - 1]
    return Record(path, int(match["pid"]), camera, frame / _FRAMES_PER_SECOND)


def _load(root: Path) -> ReidDataset:
    named = three_folders.parse_parts(root, _NAME, _EXAMPLE)
    images, notes = three_folders.without_junk(named)
    notes = (_WITHDRAWN, *notes)
    return three_folders.build("DukeMTMC-reID", "duke", root, images, _record, notes)


LAYOUT = Layout(
    name="duke",
    wanted=f"bounding_box_train/, query/, bounding_box_test/ with names such as {_EXAMPLE}",
    looks_like=_looks_like,
    load=_load,
    official={
        "DukeMTMC-reID": {
            "train": Counts(702, 16522),
            "query": Counts(702, 2228),
            "gallery": Counts(1110, 17661),
        }
    },
)

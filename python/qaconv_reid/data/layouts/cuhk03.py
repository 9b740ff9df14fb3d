"""CUHK03-NP, detected or labeled boxes.

Images: Li et al., DeepReID, CVPR 2014. Split into 767 and 700 identities: Zhong et al., Re-ranking
Person Re-identification with k-reciprocal Encoding, CVPR 2017.
"""

from __future__ import annotations

import re
from pathlib import Path

from qaconv_reid.data.layouts import three_folders
from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.records import Record, ReidDataset

_NAME = re.compile(r"(?P<pid>-?\d+)_c(?P<camera>\d+)_\d+\.")
_EXAMPLE = "0001_c1_1.png"


def _looks_like(path: Path) -> bool:
    return three_folders.looks_like(path, _NAME)


def _record(path: Path, match: re.Match[str]) -> Record:
    return Record(path, int(match["pid"]), int(match["camera"]))


def _load(root: Path) -> ReidDataset:
    named = three_folders.parse_parts(root, _NAME, _EXAMPLE)
    images, notes = three_folders.without_junk(named)
    edition = next((word for word in _OFFICIAL if word in root.name.lower()), None)
    name = f"CUHK03-NP ({edition})" if edition else "CUHK03-NP"
    return three_folders.build(name, "cuhk03-np", root, images, _record, notes)


_OFFICIAL = {
    "detected": {
        "train": Counts(767, 7365),
        "query": Counts(700, 1400),
        "gallery": Counts(700, 5332),
    },
    "labeled": {
        "train": Counts(767, 7368),
        "query": Counts(700, 1400),
        "gallery": Counts(700, 5328),
    },
}

LAYOUT = Layout(
    name="cuhk03-np",
    wanted=f"bounding_box_train/, query/, bounding_box_test/ with names such as {_EXAMPLE}",
    looks_like=_looks_like,
    load=_load,
    official=_OFFICIAL,
)

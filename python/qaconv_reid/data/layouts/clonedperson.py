"""ClonedPerson (Wang, Liang, Liao, Cloning Outfits from Real-World Images, CVPR 2022)."""

from __future__ import annotations

from pathlib import Path

from qaconv_reid.data.layouts import rendered
from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.layouts.naming import fits, parse
from qaconv_reid.data.records import PARTS, Record, ReidDataset

_FOLDERS = {"train": "train", "query": "test/query", "gallery": "test/gallery"}
_EXAMPLE = "700000_s02_c00_f023389.jpg"

#: Per scene, 0 to 12; scenes of equal offset are the same cameras. The scene must be the one in
#: the file name: with any fixed scene the 24 cameras become 4, and the same-camera rule then drops
#: right matches.
_CAMERA_OFFSET = (0, 0, 0, 4, 4, 8, 12, 12, 12, 12, 16, 16, 20)
_FRAME_OFFSET = (0,) * len(_CAMERA_OFFSET)


def _looks_like(path: Path) -> bool:
    return any(fits(path / folder, rendered.NAME) for folder in _FOLDERS.values())


def _read(folder: Path) -> tuple[Record, ...]:
    return tuple(
        rendered.record(path, match, _CAMERA_OFFSET, _FRAME_OFFSET)
        for path, match in parse(folder, rendered.NAME, _EXAMPLE)
    )


def _load(root: Path) -> ReidDataset:
    train, query, gallery = (_read(root / _FOLDERS[part]) for part in PARTS)
    return ReidDataset("ClonedPerson", "clonedperson", root, train, query, gallery)


LAYOUT = Layout(
    name="clonedperson",
    wanted=f"train/, test/query/, test/gallery/ with names such as {_EXAMPLE}",
    looks_like=_looks_like,
    load=_load,
    official={"ClonedPerson": {"train": Counts(4826, None), "all": Counts(5621, 887766)}},
)

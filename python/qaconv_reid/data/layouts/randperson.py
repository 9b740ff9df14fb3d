"""The RandPerson subset (Wang, Liao, Shao, Surpassing Real-World Source Training Data, MM 2020)."""

from __future__ import annotations

from pathlib import Path

from qaconv_reid.data.layouts import rendered
from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.layouts.naming import fits, parse
from qaconv_reid.data.records import ReidDataset

_FOLDER = "randperson_subset"
_EXAMPLE = "000000_s00_c00_f000264.jpg"

#: Per scene, 0 to 10.
_CAMERA_OFFSET = (0, 2, 4, 6, 8, 9, 10, 12, 13, 14, 15)
_FRAME_OFFSET = (
    *(0, 160_000, 340_000, 490_000, 640_000, 1_070_000),
    *(1_330_000, 1_590_000, 1_890_000, 3_190_000, 3_490_000),
)


def _images(root: Path) -> Path:
    """The folder of images: inside ``root``, or ``root`` itself."""
    inner = root / _FOLDER
    return inner if inner.is_dir() else root


def _looks_like(path: Path) -> bool:
    # The names alone would not do: a person's folder of someone's sorted copy has them as well.
    images = _images(path)
    return "randperson" in images.resolve().name.lower() and fits(images, rendered.NAME)


def _load(root: Path) -> ReidDataset:
    train = tuple(
        rendered.record(path, match, _CAMERA_OFFSET, _FRAME_OFFSET)
        for path, match in parse(_images(root), rendered.NAME, _EXAMPLE)
    )
    return ReidDataset("RandPerson subset", "randperson", root, train, (), ())


LAYOUT = Layout(
    name="randperson",
    wanted=f"{_FOLDER}/ with names such as {_EXAMPLE}",
    looks_like=_looks_like,
    load=_load,
    official={"RandPerson subset": {"train": Counts(8000, 132145)}},
)

"""MSMT17 V1 and V2 (Wei et al., Person Transfer GAN, CVPR 2018); V2 has the faces blurred."""

from __future__ import annotations

import re
from pathlib import Path

from qaconv_reid.data.layouts.layout import Counts, Layout
from qaconv_reid.data.layouts.naming import is_number
from qaconv_reid.data.records import DataError, Record, ReidDataset, shorten
from qaconv_reid.data.table import read_text
from qaconv_reid.packed import is_there

#: Train and test folder of each version.
_VERSIONS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}

_LISTS = {part: f"list_{part}.txt" for part in ("train", "val", "query", "gallery")}

_NAME = re.compile(r"\d+_\d+_(?P<camera>\d{1,9})_")
_EXAMPLE = "0000/0000_000_01_0303morning_0015_0.jpg 0"


def _version(path: Path) -> str | None:
    for version, folders in _VERSIONS.items():
        if all((path / folder).is_dir() for folder in folders):
            return version
    return None


def _looks_like(path: Path) -> bool:
    return (path / _LISTS["train"]).is_file() and _version(path) is not None


def _read_list(list_file: Path, folder: Path) -> list[Record]:
    """The records of one list, in its order; the lists are part of the protocol."""
    records: list[Record] = []
    strange: list[str] = []
    # Not splitlines: that would also end a line at characters that may stand in a name.
    for number, line in enumerate(read_text(list_file).split("\n"), start=1):
        if not line.strip():
            continue
        relative, _, pid = line.strip().rpartition(" ")
        match = _NAME.match(Path(relative).name)
        outside = Path(relative).is_absolute() or ".." in Path(relative).parts
        if match is None or outside or not is_number(pid):
            strange.append(f"line {number}: {line.strip()}")
            continue
        records.append(Record(folder / relative, int(pid), int(match["camera"])))
    if strange:
        raise DataError(
            f"{list_file}: got {len(strange)} lines that cannot be read ({shorten(strange)}), "
            f"wanted lines such as '{_EXAMPLE}', with paths below {folder.name}/"
        )
    missing = [record.path for record in records if not is_there(record.path)]
    if missing:
        raise DataError(
            f"{list_file}: names {len(missing)} of {len(records)} images that are not in {folder} "
            f"({shorten([path.relative_to(folder) for path in missing])})"
        )
    return records


def _load(root: Path) -> ReidDataset:
    absent = [name for name in _LISTS.values() if not (root / name).is_file()]
    if absent:
        raise DataError(f"{root}: lacks {shorten(absent, 4)}, wanted the four lists of MSMT17")
    version = _version(root) or "V1"
    train_folder, test_folder = (root / name for name in _VERSIONS[version])
    train = _read_list(root / _LISTS["train"], train_folder)
    train += _read_list(root / _LISTS["val"], train_folder)
    # The test lists count their identities from 0 again, and none of them is in the training lists.
    shift = 1 + max((record.person for record in train), default=-1)
    query, gallery = (
        tuple(
            Record(record.path, record.person + shift, record.camera)
            for record in _read_list(root / _LISTS[part], test_folder)
        )
        for part in ("query", "gallery")
    )
    notes = (
        "train is the lists train and val",
        f"identities of the test lists are numbered from {shift}, after those of training",
    )
    return ReidDataset(f"MSMT17 {version}", "msmt17", root, tuple(train), query, gallery, notes)


LAYOUT = Layout(
    name="msmt17",
    wanted="train/, test/ (V2: mask_train_v2/, mask_test_v2/) and list_{train,val,query,gallery}"
    f".txt with lines such as '{_EXAMPLE}'",
    looks_like=_looks_like,
    load=_load,
    official={
        "MSMT17": {
            "train": Counts(1041, 32621),
            "query": Counts(3060, 11659),
            "gallery": Counts(3060, 82161),
            "all": Counts(4101, 126441),
        }
    },
)

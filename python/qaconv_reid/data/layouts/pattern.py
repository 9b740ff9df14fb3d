"""Any folders of images whose paths tell who is in them: read by a regular expression.

VeRi, LTCC, PRCC, MARS and their like differ in names only: one setting, ``data.pattern``, and not a
layout for each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qaconv_reid.data.layouts.layout import Layout
from qaconv_reid.data.layouts.naming import is_image, is_number, number_labels
from qaconv_reid.data.layouts.part_names import part_of
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, shorten
from qaconv_reid.packed import walk

__all__ = ["GROUPS", "LAYOUT", "Preview", "compile_pattern", "load_by_pattern", "preview"]

#: Names of the groups of a pattern.
GROUPS = ("pid", "cam", "time", "frame", "track")

#: A longer one is no pattern of names, but a program.
_LONGEST = 300

_EXAMPLE = r"(?P<pid>\d+)_c(?P<cam>\d+)"


def compile_pattern(text: str) -> re.Pattern[str]:
    """The regular expression of ``data.pattern``.

    Raises:
        DataError: it is too long or none, lacks the group ``pid`` or has one that is not known.
    """
    if len(text) > _LONGEST:
        raise DataError(f"data.pattern: got {len(text)} characters, wanted at most {_LONGEST}")
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(
            f"data.pattern: got '{text}', wanted a pattern such as '{_EXAMPLE}': {error}"
        ) from None
    unknown = [name for name in pattern.groupindex if name not in GROUPS]
    if unknown or "pid" not in pattern.groupindex:
        got = shorten(list(pattern.groupindex), len(GROUPS)) or "none"
        raise DataError(
            f"data.pattern: got the named groups {got} in '{text}', wanted pid and of "
            f"{', '.join(GROUPS[1:])} those that names tell, as in '{_EXAMPLE}'"
        )
    return pattern


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pattern makes of one path."""

    path: str
    """Below the data set, with slashes."""
    part: str | None
    """``train``, ``query``, ``gallery``, ``val``; None where no folder tells."""
    groups: dict[str, str] | None
    """What was found; None where the pattern was not."""


def preview(root: Path, pattern: re.Pattern[str], most: int = 8) -> list[Preview]:
    """The first images of each part that fit, and some that do not, ``most`` of each at most."""
    shown: dict[tuple[str | None, bool], list[Preview]] = {}
    for path in _images(root):
        one = _look(root, path, pattern)
        some = shown.setdefault((one.part, one.groups is not None), [])
        if len(some) < most:
            some.append(one)
    return [one for some in shown.values() for one in some]


def _look(root: Path, path: Path, pattern: re.Pattern[str]) -> Preview:
    below = path.relative_to(root)
    parts = (part for folder in reversed(below.parts[:-1]) if (part := part_of(folder)))
    match = pattern.search(below.as_posix())
    groups = None
    if match is not None and match["pid"]:
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
    return Preview(below.as_posix(), next(parts, None), groups)


def _images(root: Path) -> Iterator[Path]:
    """All images below a folder, sorted; hidden folders and those of archivers are passed over."""
    for place, folders, names in walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        yield from (place / name for name in sorted(names) if is_image(name))


def load_by_pattern(root: Path, text: str) -> ReidDataset:
    """All images below a folder whose paths the pattern is found in.

    A folder on the way (``image_query``, ``test``) tells the part; where none does all is train.

    Args:
        root: the folder.
        text: as for `compile_pattern`.

    Raises:
        DataError: the pattern is none, nothing fits it, or what it finds is no camera or time.
    """
    pattern = compile_pattern(text)
    if not root.is_dir():
        raise DataError(f"{root}: got no folder, wanted one to read by data.pattern")
    found = [_look(root, path, pattern) for path in _images(root)]
    fitting = [one for one in found if one.groups is not None]
    strange = [one.path for one in found if one.groups is None]
    if not fitting:
        raise DataError(
            f"{root}: data.pattern: '{text}' is found in none of {len(found)} paths "
            f"({shorten(strange) or 'there is no image'}), wanted one that fits them"
        )
    notes = [f"read by data.pattern, found in {len(fitting)} of {len(found)} paths"]
    if strange:
        notes.append(f"{len(strange)} images that it is not found in left out: {shorten(strange)}")
    told = any(one.part for one in fitting)
    elsewhere = [one.path for one in fitting if told and one.part not in PARTS]
    if elsewhere:
        notes.append(
            f"{len(elsewhere)} images in no folder of train, query or gallery left out: "
            f"{shorten(elsewhere)}"
        )
    if not told:
        notes.append("no folders train, query, gallery: every image is in train")
    junk = [one.path for one in fitting if re.fullmatch(r"0*-0*1", _group(one, "pid"))]
    if junk:
        notes.append(f"{len(junk)} junk images (pid -1) left out")
    left_out = {*elsewhere, *junk}
    kept = [one for one in fitting if one.path not in left_out]
    parts = _records(root, kept, told=told)
    return ReidDataset(
        root.resolve().name,
        "pattern",
        root,
        train=parts["train"],
        query=parts["query"],
        gallery=parts["gallery"],
        notes=tuple(notes),
    )


def _records(root: Path, kept: list[Preview], *, told: bool) -> dict[str, tuple[Record, ...]]:
    pids = number_labels(_group(one, "pid") for one in kept)
    camera = number_labels(filter(None, (_group(one, "cam") for one in kept)))
    track = number_labels(filter(None, (_group(one, "track") for one in kept)))
    parts: dict[str, list[Record]] = {part: [] for part in PARTS}
    for one in kept:
        record = Record(
            root / one.path,
            pids[_group(one, "pid")],
            camera.get(_group(one, "cam")),
            _time(root, one),
            track=track.get(_group(one, "track")),
        )
        parts[one.part if told and one.part else "train"].append(record)
    return {part: tuple(records) for part, records in parts.items()}


def _group(one: Preview, name: str) -> str:
    return (one.groups or {}).get(name, "")


def _time(root: Path, one: Preview) -> float | None:
    """Seconds, or where there are none the number of the frame: what counts is what came when."""
    for name in ("time", "frame"):
        text = _group(one, name)
        if not text:
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (name == "frame" and not is_number(text)):
            raise DataError(
                f"{root / one.path}: data.pattern: {name}: got '{text}', wanted a number"
            )
        return value
    return None


def _load(root: Path) -> ReidDataset:
    raise DataError(f"{root}: got no data.pattern, wanted one, such as data.pattern='{_EXAMPLE}'")


LAYOUT = Layout(
    name="pattern",
    wanted=f"any folders of images, with data.pattern='{_EXAMPLE}' or the like for their names",
    looks_like=lambda path: False,
    load=_load,
    generic=True,
)

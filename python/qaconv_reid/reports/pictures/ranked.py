"""Pictures of ranked lists: a query a row, what was found for it beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from qaconv_reid.files import replaced

__all__ = ["RankedList", "ranked_picture"]

_TILE = (64, 128)
_FRAME = 4
_GAP = 14
_HEAD = 18
_RIGHT, _WRONG, _QUERY = (30, 150, 60), (205, 40, 40), (70, 70, 70)


@dataclass(frozen=True, slots=True)
class RankedList:
    """A query and the best of its ranking."""

    query: Path
    found: tuple[tuple[Path, bool], ...]
    """Images, the best first, and whether each shows the query's person."""


def ranked_picture(lists: Sequence[RankedList], title: str, path: Path) -> None:
    """Write a PNG: right matches in green frames, wrong ones in red.

    Args:
        lists: a row each.
        title: written above.
        path: the file; replaced whole.
    """
    cell = _TILE[0] + 2 * _FRAME, _TILE[1] + 2 * _FRAME
    columns = max(len(row.found) for row in lists)
    size = (columns + 1) * cell[0] + _GAP, _HEAD + len(lists) * cell[1]
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 3), title, fill=(0, 0, 0))
    for number, row in enumerate(lists):
        top = _HEAD + number * cell[1]
        marked = [(row.query, _QUERY)]
        marked += [(file, _RIGHT if right else _WRONG) for file, right in row.found]
        for column, (file, colour) in enumerate(marked):
            left = column * cell[0] + (_GAP if column else 0)
            draw.rectangle((left, top, left + cell[0] - 1, top + cell[1] - 1), fill=colour)
            with Image.open(file) as image:
                tile = image.convert("RGB").resize(_TILE, Image.Resampling.BILINEAR)
            sheet.paste(tile, (left + _FRAME, top + _FRAME))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)

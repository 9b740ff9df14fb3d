"""Pictures of ranked lists: a query a row, what was found for it beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from qaconv_reid.reports.pictures.paint import (
    INK,
    PAPER,
    RIGHT,
    WRONG,
    Color,
    fitting,
    font,
    text_width,
)

__all__ = ["Found", "RankedList", "Sighting", "ranked_picture"]

_TILE = (64, 128)
_FRAME = 4
_GAP = 14
_TEXT = 11
_LINE = _TEXT + 4
_TITLE = 14
_MARK = 18
_QUERY: Color = (110, 110, 110)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An image of a person, and what is known of it."""

    path: Path
    person: int
    camera: int | None = None
    time: float | None = None
    """Seconds on the camera's clock."""

    @property
    def words(self) -> tuple[str, str]:
        """Camera and time; empty where they are not known."""
        camera = "" if self.camera is None else f"cam {self.camera}"
        return camera, "" if self.time is None else f"{self.time:.0f} s"


@dataclass(frozen=True, slots=True)
class Found:
    """An image of the gallery in a query's ranking."""

    image: Sighting
    rank: int
    """From 1."""
    right: bool
    """Whether it shows the query's person."""
    score: float
    probability: float | None = None
    """That it does; None where the score says no such thing."""

    @property
    def words(self) -> str:
        """Score and probability."""
        chance = "" if self.probability is None else f"  {100 * self.probability:.0f} %"
        return f"{self.score:.1f}{chance}"


@dataclass(frozen=True, slots=True)
class RankedList:
    """A query and the best of its ranking."""

    query: Sighting
    found: tuple[Found, ...]
    """The best first."""
    first: Found | None
    """The first true match, wherever it stands; None where the ranking has none."""
    average_precision: float
    """0 to 1."""

    @property
    def first_words(self) -> str:
        """Where the first true match stands."""
        return "no match" if self.first is None else f"first match: {self.first.rank}"


def ranked_picture(
    lists: Sequence[RankedList], title: str, read: Callable[[Path], Image.Image]
) -> Image.Image:
    """Draw ranked lists: right matches in green frames with a tick, wrong ones red with a cross.

    A first match that stands behind the images shown comes after them, behind a gap, with its rank.

    Args:
        lists: a row each, at least one.
        title: written above.
        read: gives the picture of a file.
    """
    cell = _TILE[0] + 2 * _FRAME, _TILE[1] + 2 * _FRAME + 3 * _LINE + 4
    columns = max(len(row.found) for row in lists)
    # The query, then what was found, then a first match that stands further behind.
    starts = [0, *((1 + i) * cell[0] + _GAP for i in range(columns))]
    last = (1 + columns) * cell[0] + 2 * _GAP
    width, top = last + cell[0] + 4, _TITLE + 12 + _LINE + 8
    row_height = cell[1] + _LINE + 6
    sheet = Image.new("RGB", (width, top + len(lists) * row_height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), fitting(title, _TITLE, width - 8), fill=INK, font=font(_TITLE))
    _legend(draw, _TITLE + 10)
    for number, row in enumerate(lists):
        y = top + number * row_height
        told = f"{row.first_words}, average precision {100 * row.average_precision:.0f} %"
        draw.text((4, y), told, fill=INK, font=font(_TEXT))
        y += _LINE + 2
        _tile(sheet, (starts[0], y), read(row.query.path), _QUERY, ("query", *row.query.words))
        shown = list(zip(starts[1:], row.found, strict=False))
        if row.first is not None and row.first not in row.found:
            shown.append((last, row.first))
        for x, found in shown:
            words = found.words, *found.image.words
            _tile(sheet, (x, y), read(found.image.path), RIGHT if found.right else WRONG, words)
            _mark(draw, (x + cell[0] - _MARK, y), found.right)
            draw.rectangle((x, y, x + text_width(str(found.rank), _TEXT) + 8, y + 15), fill=PAPER)
            draw.text((x + 4, y + 1), str(found.rank), fill=INK, font=font(_TEXT))
    return sheet


def _tile(
    sheet: Image.Image,
    corner: tuple[int, int],
    image: Image.Image,
    color: Color,
    words: tuple[str, str, str],
) -> None:
    """An image in a frame, and three lines below it."""
    x, y = corner
    draw = ImageDraw.Draw(sheet)
    width, height = _TILE[0] + 2 * _FRAME, _TILE[1] + 2 * _FRAME
    draw.rectangle((x + 1, y, x + width - 2, y + height - 1), fill=color)
    tile = image.resize(_TILE, Image.Resampling.BICUBIC)
    sheet.paste(tile, (x + _FRAME, y + _FRAME))
    for number, line in enumerate(words):
        place = x + 4, y + height + 1 + number * _LINE
        draw.text(place, fitting(line, _TEXT, width - 4), fill=INK, font=font(_TEXT))


def _mark(draw: ImageDraw.ImageDraw, corner: tuple[int, int], right: bool) -> None:
    """A tick or a cross: the frame's color alone would not tell every reader."""
    x, y = corner
    draw.rectangle((x, y, x + _MARK - 2, y + _MARK - 1), fill=RIGHT if right else WRONG)
    if right:
        draw.line(((x + 4, y + 9), (x + 7, y + 12), (x + 13, y + 5)), fill=PAPER, width=2)
    else:
        draw.line(((x + 5, y + 5), (x + 12, y + 12)), fill=PAPER, width=2)
        draw.line(((x + 5, y + 12), (x + 12, y + 5)), fill=PAPER, width=2)


def _legend(draw: ImageDraw.ImageDraw, y: int) -> None:
    x = 4
    for right, text in ((True, "the query's person"), (False, "another")):
        _mark(draw, (x, y), right)
        draw.text((x + _MARK + 4, y + 2), text, fill=INK, font=font(_TEXT))
        x += _MARK + text_width(text, _TEXT) + 20
    told = "number: rank   below: score, probability where it is known; camera, time"
    draw.text((x, y + 2), told, fill=INK, font=font(_TEXT))

"""Why two images match: lines between locations that belong together, and both heat maps."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from qaconv_ext.correspondence import Correspondences, Match
from qaconv_reid.reports.pictures.paint import (
    AGAINST,
    FOR,
    INK,
    PAPER,
    Color,
    blend,
    fitting,
    font,
    text_width,
)

__all__ = ["MatchPicture", "correspondence_panel", "correspondence_picture"]

_GAP = 12
_TEXT, _SMALL = 17, 13
#: Lines are drawn so many times as large, then made small: Pillow's own have steps.
_FINER = 3
_GRAY: Color = (110, 110, 110)


@dataclass(frozen=True, slots=True, eq=False)
class MatchPicture:
    """Two images, and what the matcher found."""

    images: tuple[Image.Image, Image.Image]
    """Probe and gallery, RGB."""
    names: tuple[str, str]
    """Written above them."""
    found: Correspondences
    heading: str
    """The score in words; written at the top."""


def correspondence_picture(
    match: MatchPicture,
    *,
    top: int | None = None,
    threshold: float = 0.0,
    height: int = 400,
) -> Image.Image:
    """Draw the heat map of each image at its outer side, lines between the images.

    Blue speaks for the match, orange (dashed) against it; the thicker a line and the stronger a
    color, the greater the part of the score. Lines have one scale, heat maps another, each up to
    its greatest part.

    Args:
        match: what to draw.
        top: at most so many lines, the strongest.
        threshold: lines for parts of at least this magnitude.
        height: of each image in the picture, in pixels.
    """
    lines = match.found.strongest(top, threshold)
    panel, starts, side = _panel(match, lines, height)
    width = max(panel.width + 2 * _GAP, 600)
    left = (width - panel.width) // 2
    above = _GAP + 3 * (_SMALL + 7) + _TEXT
    legend = _legend(width - 2 * _GAP, _strongest(match.found), lines, len(match.found.matches))
    sheet = Image.new("RGB", (width, above + height + 2 * _GAP + legend.height), PAPER)
    draw = ImageDraw.Draw(sheet)
    heading = fitting(match.heading, _TEXT, width - 2 * _GAP)
    draw.text((_GAP, _GAP), heading, fill=INK, font=font(_TEXT))
    draw.text((_GAP, _GAP + _TEXT + 6), _sum(match.found), fill=_GRAY, font=font(_SMALL))
    for start, name in zip(starts, match.names, strict=True):
        name = fitting(name, _SMALL, side)
        draw.text((left + start, above - _SMALL - 6), name, fill=INK, font=font(_SMALL))
    sheet.paste(panel, (left, above))
    sheet.paste(legend, (_GAP, above + height + _GAP))
    return sheet


def correspondence_panel(
    match: MatchPicture, *, top: int | None = None, threshold: float = 0.0, height: int = 400
) -> Image.Image:
    """`correspondence_picture` without any writing, for a page that has its own."""
    return _panel(match, match.found.strongest(top, threshold), height)[0]


def _panel(
    match: MatchPicture, lines: tuple[Match, ...], height: int
) -> tuple[Image.Image, tuple[int, int], int]:
    """Images, heat maps and lines; where the two sides begin; how wide a side is."""
    rows, columns = match.found.probe_heat.shape
    # As the network saw them: all images of one size.
    tile = max(round(height * columns / rows), 16), height
    probe, gallery = (image.resize(tile, Image.Resampling.BICUBIC) for image in match.images)
    heats = match.found.probe_heat, match.found.gallery_heat
    strongest = _strongest(match.found)
    gap = max(height // 64, 2)
    side = 2 * tile[0] + gap
    second = side + height * 3 // 8
    sheet = Image.new("RGB", (second + side, height), PAPER)
    sheet.paste(_heat(probe, heats[0], strongest), (0, 0))
    sheet.paste(probe, (tile[0] + gap, 0))
    sheet.paste(gallery, (second, 0))
    sheet.paste(_heat(gallery, heats[1], strongest), (second + tile[0] + gap, 0))
    corners = (tile[0] + gap, 0), (second, 0)
    _draw_lines(sheet, lines, corners, (tile[0] / columns, height / rows), columns)
    return sheet, (0, second), side


def _strongest(found: Correspondences) -> float:
    """The greatest part of a location, by magnitude: where the heat maps' colors end."""
    return max(float(heat.abs().max()) for heat in (found.probe_heat, found.gallery_heat)) or 1.0


def _sum(found: Correspondences) -> str:
    """How the score adds up."""
    left, right = float(found.probe_heat.sum()), float(found.gallery_heat.sum())
    return (
        f"score {found.score:.2f} = {left:.2f} locations of the left image "
        f"{_signed(right)} of the right {_signed(found.bias)} the same for all pairs"
    )


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.2f}"


def _color(value: float) -> Color:
    return AGAINST if value < 0 else FOR


def _heat(image: Image.Image, heat: Tensor, strongest: float) -> Image.Image:
    """The image in gray, each location in the color of its part."""
    rows, columns = heat.shape
    colors = Image.new("RGB", (columns, rows))
    shares = Image.new("L", (columns, rows))
    for row in range(rows):
        for column in range(columns):
            value = float(heat[row, column])
            colors.putpixel((column, row), _color(value))
            shares.putpixel((column, row), round(230 * min(abs(value) / strongest, 1) ** 0.7))
    gray = Image.blend(image.convert("L").convert("RGB"), Image.new("RGB", image.size, PAPER), 0.35)
    # Positions stay squares: between two of them nothing was measured.
    over, mask = (part.resize(image.size, Image.Resampling.NEAREST) for part in (colors, shares))
    return Image.composite(over, gray, mask)


def _draw_lines(
    sheet: Image.Image,
    lines: tuple[Match, ...],
    corners: tuple[tuple[int, int], tuple[int, int]],
    cell: tuple[float, float],
    columns: int,
) -> None:
    strongest = max((abs(line.contribution) for line in lines), default=1.0) or 1.0
    size = sheet.width * _FINER, sheet.height * _FINER
    layer = Image.new("RGBA", size, (*PAPER, 0))
    draw = ImageDraw.Draw(layer)
    for line in reversed(lines):  # the strongest lie on top
        share = abs(line.contribution) / strongest
        ends = [
            _point(corner, place, cell, columns)
            for corner, place in zip(corners, (line.probe, line.gallery), strict=True)
        ]
        color = _color(line.contribution)
        wide = round(_FINER * (1.2 + 3 * share))
        for shade, more in (((*PAPER, 200), 2 * _FINER), ((*color, 255), 0)):
            for begin, end in _dashes(ends[0], ends[1], line.contribution < 0):
                draw.line((begin, end), fill=shade, width=wide + more)
            radius = wide + more / 2
            for x, y in ends:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade)
    layer = layer.resize(sheet.size, Image.Resampling.LANCZOS)
    sheet.paste(layer, (0, 0), layer)


def _point(
    corner: tuple[int, int], place: tuple[int, int], cell: tuple[float, float], columns: int
) -> tuple[float, float]:
    """Where a line ends in a location, in fine pixels.

    A little lower in each column than in the one before: else the lines between two rows would lie
    on each other.
    """
    row, column = place
    down = 0.5 + 0.7 * ((column + 0.5) / columns - 0.5)
    x, y = corner[0] + cell[0] * (column + 0.5), corner[1] + cell[1] * (row + down)
    return _FINER * x, _FINER * y


def _dashes(
    begin: tuple[float, float], end: tuple[float, float], dashed: bool
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The whole line, or every second of its pieces."""
    length = sum((b - a) ** 2 for a, b in zip(begin, end, strict=True)) ** 0.5
    pieces = max(int(length / (7 * _FINER)), 1) if dashed else 1

    def at(share: float) -> tuple[float, float]:
        return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share

    return [(at(i / pieces), at(min((i + 1) / pieces, 1))) for i in range(0, pieces, 2)]


def _legend(width: int, strongest: float, lines: tuple[Match, ...], of: int) -> Image.Image:
    """A bar of the heat maps' colors, and what the lines are."""
    line_height = _SMALL + 9
    strongest_line = max((abs(line.contribution) for line in lines), default=0.0)
    against = sum(line.contribution < 0 for line in lines)
    words = [
        (FOR, False, f"speaks for the match ({len(lines) - against} lines)"),
        (AGAINST, True, f"speaks against ({against} lines)"),
    ]
    sheet = Image.new("RGB", (width, 3 * line_height), PAPER)
    draw = ImageDraw.Draw(sheet)
    x = 0
    for color, dashed, text in words:
        y = line_height // 2
        for begin, end in _dashes((x * _FINER, 0), ((x + 36) * _FINER, 0), dashed):
            draw.line((begin[0] / _FINER, y, end[0] / _FINER, y), fill=color, width=4)
        draw.text((x + 44, 3), text, fill=INK, font=font(_SMALL))
        x += 44 + text_width(text, _SMALL) + 28
    told = (
        f"lines: {len(lines)} of the {of} pairs of locations that are each other's best; "
        f"the thickest is {strongest_line:.2f} of the score"
    )
    draw.text((0, line_height + 3), fitting(told, _SMALL, width), fill=_GRAY, font=font(_SMALL))
    y = 2 * line_height
    low, high = f"-{strongest:.2f}", f"+{strongest:.2f}"
    x = text_width(low, _SMALL) + 8
    draw.text((0, y + 3), low, fill=INK, font=font(_SMALL))
    for step in range(-60, 61):
        share = 0.9 * (abs(step) / 60) ** 0.7
        color = blend((220, 220, 220), _color(step), share)
        draw.line((x + step + 60, y + 4, x + step + 60, y + 17), fill=color)
    told = f"{high}   heat maps: each location's part of the score"
    draw.text((x + 129, y + 3), told, fill=INK, font=font(_SMALL))
    return sheet

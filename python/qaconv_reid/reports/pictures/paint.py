"""What all pictures share: colors that color-blind readers tell apart, writing, saving."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from qaconv_reid.files import replaced

__all__ = [
    "AGAINST",
    "FOR",
    "INK",
    "PAPER",
    "RIGHT",
    "WRONG",
    "Color",
    "blend",
    "fitting",
    "font",
    "picture_format",
    "save_picture",
    "text_width",
]

Color = tuple[int, int, int]

#: Blue and vermilion differ for every kind of color blindness, and in gray.
#: (Okabe and Ito, *Color Universal Design*, 2008.)
FOR: Color = (0, 114, 178)
AGAINST: Color = (213, 94, 0)
#: A bluish green and a red that differ in brightness too; a mark says the same.
RIGHT: Color = (0, 140, 100)
WRONG: Color = (190, 50, 20)
INK: Color = (32, 32, 32)
PAPER: Color = (255, 255, 255)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: pictures look the same on every machine."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Pixels that a text takes."""
    return round(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(text, font=font(size)))


def fitting(text: str, size: int, width: int) -> str:
    """The text, its middle left out where it would be wider than ``width`` pixels."""
    kept = len(text)
    short = text
    while kept > 2 and text_width(short, size) > width:
        kept -= 1
        short = f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"
    return short


def blend(one: Color, other: Color, share: float) -> Color:
    """From ``one`` (share 0) to ``other`` (share 1)."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a file's ending stands for.

    Raises:
        ValueError: it is none of those that pictures are written in.
    """
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    try:
        return formats[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"got {path}, wanted a file ending in {', '.join(formats)}") from None


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of the file's ending; the folder is made, the file replaced.

    Raises:
        ValueError: the ending stands for no such format.
    """
    kind = picture_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        picture.save(temporary, format=kind, optimize=True)

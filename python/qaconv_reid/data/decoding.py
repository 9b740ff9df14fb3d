"""From an image file to pixels in RGB: the one place that decides what an image looks like."""

from __future__ import annotations

import io
import os
import stat
import warnings
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from qaconv_reid.data.records import DataError
from qaconv_reid.packed import PackedPath, located

__all__ = ["DECODING", "SUFFIXES", "check_file", "is_archive", "open_rgb", "to_rgb"]

#: To be raised with whatever changes the pixels of an image: what was kept of it is then old.
DECODING = 2

#: What is read, as Pillow calls it, with the endings of file names. Not all that Pillow can open:
#: some of it runs other programs, or is no image.
_FORMATS = {
    "AVIF": (".avif", ".avifs"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "MPO": (".mpo",),
    "PCX": (".pcx",),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}

#: Endings of the names of images, in small letters.
SUFFIXES = frozenset(suffix for suffixes in _FORMATS.values() for suffix in suffixes)

#: What a file is that is none; opening a pipe would wait for a writer for ever.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

#: How archives begin: given in place of a folder of images, they are to be unpacked first.
_ARCHIVES = (
    *(b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b"),
    *(b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"),
)

_ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst"})

#: EXIF's orientation, and what turns such an image upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

#: TIFF's number of bits of each channel.
_BITS = 258

# Pillow's own warnings name no file and go past the program's output. Too many pixels are said by
# `_open`; notes beside an image that cannot be read change nothing.
for _category in (Image.DecompressionBombWarning, UserWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.")


def open_rgb(source: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """The whole image, decoded, upright, in RGB.

    Args:
        source: a file, which may lie in a ZIP file, or an open one.
        name: of an open one, for messages.

    Raises:
        DataError: as `check_file`; or the file is cut off or broken further on.
    """
    if isinstance(source, Path):
        source = located(source)
    try:
        with _open(source, name) as image:
            return to_rgb(image)
    except Exception as error:  # Pillow's plug-ins raise whatever they come to
        raise _explained(source, name, error) from None


def check_file(path: Path, *, decode: bool = False) -> None:
    """That a file is an image, by its header alone: fast, and blind to what is broken behind it.

    Args:
        path: of the file.
        decode: decode all of it, as `open_rgb` does.

    Raises:
        DataError: it is missing, no file, empty, no image, of more pixels than Pillow's limit, or
            of numbers whose range is not known.
    """
    if decode:
        open_rgb(path)
        return
    try:
        with _open(path, None) as image:
            _check_mode(image)
            whole = _seems_whole(path, image.format)
    except Exception as error:  # as above
        raise _explained(path, None, error) from None
    if not whole:
        open_rgb(path)


def to_rgb(image: Image.Image) -> Image.Image:
    """An image upright and in RGB, of 8 bits.

    Gray of 16 bits is scaled by its range; what is transparent is laid on white.

    Raises:
        ValueError: its numbers have no range that is known.
    """
    _check_mode(image)
    image.load()
    image = _upright(image)
    if image.mode.startswith("I"):
        return _of_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        white = Image.new("RGBA", solid.size, "white")
        return Image.alpha_composite(white, solid).convert("RGB")
    return image.convert("RGB")


def _open(source: Path | BinaryIO, name: str | None) -> Image.Image:
    """The image with its header read; nothing is opened that is no file."""
    if isinstance(source, Path):
        about = source.stat()
        for is_kind, kind in _KINDS:
            if is_kind(about.st_mode):
                raise DataError(f"{source}: this is {kind}, wanted an image file")
        if about.st_size == 0:
            raise DataError(f"{source}: cannot be read as an image (it has 0 bytes)")
    image = Image.open(_file(source), formats=_formats())
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        size = f"{image.width:,} × {image.height:,} pixels"
        image.close()
        raise DataError(
            f"{name or source}: got an image of {size}, wanted at most {limit:,} in all (Pillow's "
            "limit)"
        )
    return image


def _file(source: Path | BinaryIO) -> Path | BinaryIO:
    """What Pillow can open: a path into an archive is none for it."""
    return io.BytesIO(source.read_bytes()) if isinstance(source, PackedPath) else source


@cache
def _formats() -> list[str]:
    """Those of `_FORMATS` that this Pillow knows."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _explained(source: Path | BinaryIO, name: str | None, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    name = name or str(source)
    if isinstance(source, Path) and is_archive(source):
        return DataError(f"{name}: this is an archive, wanted an image: unpack it")
    if isinstance(error, Image.DecompressionBombError):
        limit = f"{Image.MAX_IMAGE_PIXELS:,}"
        return DataError(f"{name}: got an image of more pixels than {limit} (Pillow's limit)")
    reason = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        reason = "it begins as none that is known"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return DataError(f"{name}: cannot be read as an image ({reason})")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by its name or its first bytes; one that is read is none."""
    if isinstance(path, PackedPath) or not os.path.isfile(path):
        return False
    if path.suffix.lower() in _ARCHIVE_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return False
    return start.startswith(_ARCHIVES) or start[257:262] == b"ustar"


def _of_8_bits(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})
    most = 2 ** min(16, *tags.get(_BITS, (16,))) - 1  # some cameras use 12 of them
    array = np.asarray(image, dtype=np.int64).clip(0, most)
    return Image.fromarray(((array * 255 + most // 2) // most).astype(np.uint8))


def _check_mode(image: Image.Image) -> None:
    if image.mode == "F":
        raise ValueError(
            "got floating-point pixels, whose range the file does not tell, wanted 8 or 16 bits"
        )
    # Some formats have 16 bits without a sign in this mode; what else is in it has no known range.
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise ValueError(
            "got pixels of 32 bits or with a sign, whose range the file does not tell, wanted 8 or "
            "16 bits"
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # notes that cannot be read are no reason to refuse an image
        return image
    return image if turn is None else image.transpose(turn)


def _seems_whole(path: Path, form: str | None) -> bool:
    """Whether the file ends as those of its format do; True where that is not known."""
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        end, size = file.read(), file.tell()
    if form in ("JPEG", "MPO"):
        return b"\xff\xd9" in end
    if form == "PNG":
        return b"IEND" in end
    if form == "WEBP":
        return size >= 8 + int.from_bytes(start[4:8], "little")
    if form == "GIF":
        return b";" in end[-4:]
    if form == "BMP":
        return size >= int.from_bytes(start[2:6], "little")
    return form not in ("PPM", "TGA", "PCX")

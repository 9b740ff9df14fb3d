"""Images that come in, of strangers; and that go out, as pixels and never as files."""

from __future__ import annotations

import io

from PIL import Image

from qaconv_reid.data import DataError, open_rgb
from qaconv_reid.serve.problem import Refused

__all__ = ["MAX_BYTES", "MAX_PIXELS", "TYPES", "as_jpeg", "decoded"]

MAX_BYTES = 10_000_000
MAX_PIXELS = 25_000_000
#: Content types, and Pillow's names of them.
TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

_TALLEST = 640


def decoded(data: bytes) -> Image.Image:
    """An uploaded image, in RGB.

    Raises:
        Refused: it is none of `TYPES`, has too many pixels, or is broken.
    """
    formats = list(TYPES.values())
    try:
        # Of the header alone: the pixels of a bomb are counted before they take memory.
        with Image.open(io.BytesIO(data), formats=formats) as header:
            width, height = header.size
    except Image.DecompressionBombError:
        raise Refused(413, f"image: got too many pixels, wanted at most {MAX_PIXELS:,}") from None
    except (OSError, SyntaxError, ValueError):
        wanted = f"{', '.join(formats[:-1])} or {formats[-1]}"
        raise Refused(415, f"image: got {len(data):,} bytes that are no {wanted}") from None
    if width * height > MAX_PIXELS:
        raise Refused(413, f"image: got {width} × {height} pixels, wanted at most {MAX_PIXELS:,}")
    try:
        return open_rgb(io.BytesIO(data), "image")
    except DataError as error:
        raise Refused(415, str(error)) from None


def as_jpeg(image: Image.Image) -> bytes:
    """For the page: nothing of the file but its pixels, and no more of them than are seen."""
    shown = image.copy()
    shown.thumbnail((_TALLEST, _TALLEST))
    stream = io.BytesIO()
    shown.save(stream, format="JPEG", quality=90)
    return stream.getvalue()

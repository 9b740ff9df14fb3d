"""Contact sheets: a look at a domain."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import islice
from pathlib import PurePosixPath

from PIL import Image, ImageDraw

from qaconv_reid.people.files import name_of
from qaconv_reid.people.sizes import Size
from qaconv_reid.people.walks import TEST, TRAIN, sightings

__all__ = ["contact_sheet"]

_IDENTITIES = 20
_SHOTS = 9
_TILE = (64, 128)


def contact_sheet(
    seed: int, size: Size, domain: str, naming: str, read: Callable[[PurePosixPath], bytes]
) -> bytes:
    """A picture of the first identities: two a row, their images side by side.

    Args:
        seed: of the data set.
        size: of the data set.
        domain: to be shown.
        naming: in which it is written.
        read: gives an image's file by its name.

    Returns:
        A PNG file.
    """
    part = TRAIN if size.train else TEST
    identities = [
        unit[:_SHOTS] for unit in islice(sightings(seed, size, domain, part), _IDENTITIES)
    ]
    rows = (len(identities) + 1) // 2
    gap, head = 8, 18
    width = 2 * _SHOTS * _TILE[0] + gap
    sheet = Image.new("RGB", (width, head + rows * (_TILE[1] + 2)), (255, 255, 255))
    label = f"virtual people, synthetic: {domain}, seed {seed}; an identity's images stand together"
    ImageDraw.Draw(sheet).text((4, 3), label, fill=(0, 0, 0))
    for index, unit in enumerate(identities):
        left = (index % 2) * (_SHOTS * _TILE[0] + gap)
        top = head + (index // 2) * (_TILE[1] + 2)
        for column, sighting in enumerate(unit):
            with Image.open(io.BytesIO(read(name_of(sighting, size, naming)))) as image:
                tile = image.convert("RGB").resize(_TILE, Image.Resampling.BILINEAR)
            sheet.paste(tile, (left + column * _TILE[0], top))
    file = io.BytesIO()
    sheet.save(file, format="PNG", optimize=True)
    return file.getvalue()

"""Test images made worse, as a detector and a crowd would: seeded, when they are read.

What is drawn depends on the seed, the kind, the image's name with its folder's, and on nothing
else: every run, process and machine sees the same images. A greater share goes further the same
way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from qaconv_reid.data.records import DataError

__all__ = ["VARIANTS", "Variant", "parse_variant", "variant_name"]

_PLAIN = "plain"

_GRAY = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to make images worse.

    Attributes:
        kind: A name of ``VARIANTS``.
        share: How much, as a share of the image's height or width.
        seed: Of what is drawn.

    Raises:
        DataError: there is no such kind, or the share or the seed is out of range.
    """

    kind: str
    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in VARIANTS:
            raise DataError(f"variant: got '{self.kind}', wanted one of {', '.join(VARIANTS)}")
        limit = VARIANTS[self.kind].limit
        if not 0 < self.share < limit:
            raise DataError(
                f"variant: got {self.kind}={self.share:g}, wanted more than 0 and less than "
                f"{limit:g}"
            )
        if self.seed < 0:
            raise DataError(f"variant: got the seed {self.seed}, wanted 0 or more")

    def applied(self, image: Image.Image, path: Path) -> Image.Image:
        """The image of that path, made worse; a new one."""
        key = f"{self.seed}\0{self.kind}\0{path.parent.name}/{path.name}"
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).digest()
        random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
        return VARIANTS[self.kind].make(image, self.share, random)


@dataclass(frozen=True, slots=True)
class _Kind:
    make: Callable[[Image.Image, float, np.random.Generator], Image.Image]
    limit: float
    """Shares are less than this."""


def _shaken(image: Image.Image, share: float, random: np.random.Generator) -> Image.Image:
    """Each side of the box moved in or out by up to a share of its size.

    What an outward move brings in is not known: the pixels of the edge go on.
    """
    width, height = image.size
    left, top, right, bottom = (
        round(move * size)
        for move, size in zip(
            random.uniform(-share, share, 4), (width, height, width, height), strict=True
        )
    )
    rows = np.arange(-top, max(height + bottom, 1 - top)).clip(0, height - 1)
    columns = np.arange(-left, max(width + right, 1 - left)).clip(0, width - 1)
    return Image.fromarray(np.asarray(image)[rows[:, None], columns])


def _hidden(image: Image.Image, share: float, random: np.random.Generator) -> Image.Image:
    """A share of the image in gray: its top, its bottom or one side, each as often."""
    width, height = image.size
    where, right = random.integers(3), random.integers(2)
    tall, wide = (max(1, round(share * size)) for size in (height, width))
    if where == 2:
        left = width - wide if right else 0
        box = (left, 0, left + wide, height)
    else:
        top = height - tall if where else 0
        box = (0, top, width, top + tall)
    covered = image.copy()
    covered.paste(_GRAY, box)
    return covered


#: By the names that a command line knows.
VARIANTS = {"shaken": _Kind(_shaken, 0.5), "hidden": _Kind(_hidden, 1.0)}


def variant_name(variant: Variant | None) -> str:
    """As `parse_variant` reads it."""
    if variant is None:
        return _PLAIN
    seed = f"@{variant.seed}" if variant.seed else ""
    return f"{variant.kind}={variant.share:g}{seed}"


def parse_variant(text: str) -> Variant | None:
    """Read ``KIND=SHARE`` or ``KIND=SHARE@SEED``; ``plain``, images as they are, is None.

    Raises:
        DataError: it is none of these.
    """
    if text == _PLAIN:
        return None
    kind, _, rest = text.partition("=")
    share, at, seed = rest.partition("@")
    try:
        return Variant(kind, float(share), int(seed) if at else 0)
    except DataError as error:
        raise DataError(f"--{error}") from None
    except ValueError:
        known = ", ".join(f"{name}=SHARE" for name in VARIANTS)
        raise DataError(
            f"--variant: got '{text}', wanted plain or {known}, such as shaken=0.1 or, with "
            "another seed, shaken=0.1@1"
        ) from None

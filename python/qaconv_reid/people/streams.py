"""Random numbers: a stream of their own for each thing that is named."""

from __future__ import annotations

from zlib import crc32

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *keys: int | str) -> np.random.Generator:
    """The random numbers of what these keys name; other keys, other numbers.

    A word counts by its checksum, not by its length or by its place in a list: a domain that is
    added or called otherwise leaves the images of the others as they are.
    """
    numbers = [key if isinstance(key, int) else crc32(key.encode()) for key in keys]
    return np.random.default_rng([seed, *numbers])

"""Random numbers of their own for each thing that is named."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *keys: int | str) -> np.random.Generator:
    """The random numbers of what the keys name: other names, other numbers.

    A name counts by a checksum that is the same on every machine, which Python's own hash is not.
    """
    numbers = [key if isinstance(key, int) else zlib.crc32(key.encode()) for key in keys]
    return np.random.default_rng([seed, *numbers])

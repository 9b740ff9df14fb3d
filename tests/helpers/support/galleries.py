"""Tables of random maps, and an encoder that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from qaconv_reid.calibration import sigmoid
from qaconv_reid.data import Images, input_batches, list_inputs
from qaconv_reid.gallery import Maker, Row, Table
from qaconv_reid.gallery.shortlist import on_grid

SHAPE = (6, 4, 2)


def maker(name: str = "small", checksum: str = "0123456789abcdef") -> Maker:
    """Of maps of `SHAPE`, some weights negative."""
    weight = np.random.default_rng(1).normal(0.5, 0.5, SHAPE[1] * SHAPE[2])
    return Maker(name, checksum, SHAPE, tuple(weight.tolist()), -1.25)


def random_maps(count: int, seed: int = 0) -> Tensor:
    """``[count, *SHAPE]`` float16, each place of unit length; alike enough to be searched."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.randn(1, *SHAPE, generator=generator)
    return normalize(middle + torch.randn(count, *SHAPE, generator=generator), dim=1).half()


def fill(table: Table, count: int, seed: int = 0) -> Tensor:
    """Append rows ``r00000`` on: identity number // 4, camera number % 4, none for every fifth."""
    start = len(table)
    maps = random_maps(count, seed)
    rows = [
        Row(f"r{n:05d}", str(n // 4), None if n % 5 == 0 else n % 4, float(n))
        for n in range(start, start + count)
    ]
    table.append(rows, maps, on_grid(maps))
    table.flush()
    return maps


class PixelEncoder:
    """Maps that are the pixels of a small image, normalized; a path with ``bad`` in it fails."""

    def __init__(self) -> None:
        self.images = 0
        self.fails_after: int | None = None

    def features(self, images: Images, *, batch_size: int = 64, progress=None) -> Tensor:
        """``[N, 6, 4, 2]`` float32."""
        items = list_inputs(images)
        parts = []
        for batch, _ in input_batches(items, 4, 4, batch_size):
            parts.append(batch.reshape(-1, 3, 4, 2, 2).permute(0, 1, 4, 2, 3).reshape(-1, *SHAPE))
        self.images += len(items)
        if self.fails_after is not None and self.images > self.fails_after:
            raise KeyboardInterrupt
        return normalize(torch.cat(parts).float() + 1, dim=1)

    def probability(self, scores, *, cameras=None):
        """The sigmoid."""
        return sigmoid(scores)


def lance(folder: Path) -> str:
    """Name of a table there."""
    return str(folder / "people.lance")

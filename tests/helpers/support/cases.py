"""Inputs that op tests share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@dataclass(frozen=True)
class Case:
    """Sizes of a match: ``probes × galleries`` maps of ``channels``, locations on either side."""

    probes: int
    galleries: int
    channels: int
    probe_locations: int
    gallery_locations: int

    def __str__(self) -> str:
        return (
            f"{self.probes}x{self.galleries}-C{self.channels}"
            f"-{self.probe_locations}x{self.gallery_locations}"
        )

    def maps(self, dtype: torch.dtype, device: str, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Probe and gallery maps whose locations are unit vectors."""
        generator = torch.Generator().manual_seed(seed)
        sizes = (
            (self.probes, self.channels, self.probe_locations),
            (self.galleries, self.channels, self.gallery_locations),
        )
        probe, gallery = (
            torch.nn.functional.normalize(
                torch.randn(size, generator=generator, dtype=torch.float64), dim=1
            )
            for size in sizes
        )
        return probe.to(device, dtype), gallery.to(device, dtype)


# Ragged on purpose: locations that are no multiple of any tile (6, 8, 16), above and below one; one
# location; one channel; different locations on the two sides; positions that need two bytes.
CASES = [
    Case(3, 4, 21, 17, 19),
    Case(2, 3, 8, 16, 16),
    Case(1, 1, 1, 1, 1),
    Case(2, 2, 5, 1, 7),
    Case(2, 3, 37, 15, 6),
    Case(4, 2, 130, 35, 33),
    Case(1, 2, 4, 257, 30),
    Case(1, 1, 3, 256, 257),
]
EMPTY_CASES = [Case(0, 3, 4, 5, 6), Case(3, 0, 4, 5, 6), Case(0, 0, 4, 5, 6)]

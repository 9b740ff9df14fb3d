"""How far a baseline of a GPU's case may be from the truth, and why."""

from __future__ import annotations

import torch

HALF, FULL = torch.float16, torch.float32

#: Correlations, maxima, norms and weights of plain float16, each rounded to eleven bits.
HALF_ERROR = 2e-2
#: Sums that differ in the last bits of float32 give another of two nearly equal locations: of some
#: 10^4 maxima one. Tensor cores cut off where others round.
GRADIENT_ERROR = 2e-2
#: Rounded to float16, some maxima in a hundred have another location; the norms work on those. Of
#: two nearly equal hardest negatives the loss takes another.
HALF_GRADIENT_ERROR = 0.5
#: Operands of TF32 have eleven bits, its sums more.
TF32_ERROR = 5e-3
#: The packages compute in float16 with sums in float32, whatever they are given.
PEER_ERROR = 1e-3


def name_of(dtype: torch.dtype) -> str:
    """As tables have it."""
    return str(dtype).removeprefix("torch.")

"""How far a kernel may be from the truth, with the reason; the truth is computed in float64.

Inputs are unit vectors, so one correlation is at most 1 and the rounding of a sum of C products is
at most about C·eps; maxima add nothing. The truth is given the same (already rounded) inputs, so
float16 and bfloat16 inputs have float32's tolerance: the sums are float32 whatever the storage.
"""

from __future__ import annotations

import torch

# A sum of up to 130 products: 130 · 6e-8, with room for the order of the sum.
CORRELATION = {
    torch.float32: 1e-5,
    torch.float16: 1e-5,
    torch.bfloat16: 1e-5,
    torch.float64: 1e-13,
}
# The promise for scores and gradients, relative to the largest magnitude.
RELATIVE = {
    torch.float32: 1e-5,
    torch.float16: 1e-5,
    torch.bfloat16: 1e-5,
    torch.float64: 1e-10,
}
# Gradients come in the inputs' type: half of its spacing is its own rounding.
GRADIENT = {
    torch.float32: 1e-5,
    torch.float64: 1e-10,
    torch.float16: 1e-3,
    torch.bfloat16: 8e-3,
}

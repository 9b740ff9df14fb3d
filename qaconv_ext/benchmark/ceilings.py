"""What the card can do at its best, measured in the same process: figures are shares of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from qaconv_ext.benchmark.cuda_clock import Bursts
from qaconv_ext.benchmark.cuda_meter import facts_at_work
from qaconv_ext.benchmark.measure import Spread


@dataclass
class Ceilings:
    """Rates per second, each with its spread over several bursts."""

    float16_product: Spread
    """Multiplications and additions of a large matrix product through torch; shares are of its
    median."""
    float32_product: Spread
    """The same in float32, without TF32."""
    copied_bytes: Spread
    """Read and written by a copy on the device, much larger than the second-level cache."""
    at_work: dict[str, str]
    """Clock, power and temperature, as nvidia-smi tells them during the float16 product."""
    float16_product_at_end: Spread | None = None
    """Once more after all else: whether the card had become slower."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "float16_product_flops": self.float16_product.as_dict(),
            "float32_product_flops": self.float32_product.as_dict(),
            "copied_bytes_per_second": self.copied_bytes.as_dict(),
            "at_work": self.at_work,
            "float16_product_flops_at_end": (
                None
                if self.float16_product_at_end is None
                else self.float16_product_at_end.as_dict()
            ),
        }


def rates(amount: float, seconds: Spread) -> Spread:
    """``amount`` a second: the shortest time is the largest rate."""
    return Spread(
        amount / seconds.maximum, amount / seconds.median, amount / seconds.minimum, seconds.runs
    )


def _product(dtype: torch.dtype, bursts: Bursts, *, quick: bool) -> tuple[Spread, dict[str, str]]:
    size = 32 if quick else 8192
    a, b = torch.randn(2, size, size, device="cuda").to(dtype).unbind()
    out = torch.empty_like(a)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")  # no TF32
    try:
        seconds = bursts(lambda: torch.mm(a, b, out=out), [()])

        def work() -> None:
            for _ in range(5):
                torch.mm(a, b, out=out)
            torch.cuda.synchronize()

        facts = facts_at_work(work) if dtype == torch.float16 else {}
    finally:
        torch.set_float32_matmul_precision(before)
    return rates(2.0 * size**3, seconds), facts


def measure_ceilings(bursts: Bursts, *, quick: bool) -> Ceilings:
    """All of them; the matrices and what is copied are larger than any second-level cache."""
    half, facts = _product(torch.float16, bursts, quick=quick)
    full, _ = _product(torch.float32, bursts, quick=quick)
    count = 2**12 if quick else 2**30
    source = torch.ones(count, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copied = rates(2.0 * count, bursts(lambda: target.copy_(source), [()]))
    return Ceilings(half, full, copied, facts)


def measure_again(ceilings: Ceilings, bursts: Bursts, *, quick: bool) -> None:
    """The one that shares are of, at the end of a run."""
    ceilings.float16_product_at_end, _ = _product(torch.float16, bursts, quick=quick)

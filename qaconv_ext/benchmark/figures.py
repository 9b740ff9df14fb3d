"""A figure of a kernel on a GPU: proven on what is timed, or the reason why it is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from qaconv_ext.benchmark.case import LARGEST_ERROR, first_line
from qaconv_ext.benchmark.ceilings import Ceilings, rates
from qaconv_ext.benchmark.cuda_clock import Bursts
from qaconv_ext.benchmark.cuda_meter import last_variant
from qaconv_ext.benchmark.measure import Spread, largest_error


class WrongResult(Exception):
    """A kernel's numbers are not those of the plain formula: they are not timed."""


@dataclass(frozen=True)
class Figure:
    """One kernel on one shape."""

    name: str
    shape: str
    target: str | None = None
    """The figure to reach that it answers for, a key of `targets.TARGETS`."""
    series: str | None = None
    """Figures of one series differ in one size and stand in its order."""
    unit: str = "share"
    """Of ``value``: ``share`` of the card's float16 matrix product, ``s``, or ``times``."""
    value: Spread | None = None
    seconds: Spread | None = None
    tflops: float | None = None
    variant: str | None = None
    """The kernel variant that ran; None where nothing tells."""
    wrong: bool = False
    why_not: str | None = None
    """Why there is no value."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def prove(ours: list[Tensor], truth: list[Tensor], allowed: float = LARGEST_ERROR) -> None:
    """Raises `WrongResult` where ours is too far from the truth, relative to its largest value."""
    error = largest_error(ours, truth)
    if not error <= allowed:  # a NaN is no better
        raise WrongResult(
            f"differs from the plain formula by {error:.2g} of the largest value "
            f"(allowed {allowed:g})"
        )


def some(count: int) -> Tensor:
    """A few numbers below ``count``, the first and the last among them: what is proven."""
    return torch.linspace(0, count - 1, min(count, 5), device="cuda").long()


class Figures:
    """Takes figures as shares of the ceilings of the same run."""

    def __init__(self, bursts: Bursts, ceilings: Ceilings) -> None:
        self._bursts, self._ceilings = bursts, ceilings

    def share(
        self,
        blank: Figure,
        operations: float,
        work: Callable[..., object],
        inputs: list[tuple[Any, ...]],
        *,
        calls: int = 1,
        ours: bool = True,
    ) -> Figure:
        """``operations`` that one call is worth, against the card's matrix product."""
        seconds = self._bursts(work, inputs, calls=calls)
        share = rates(operations, seconds).times(1 / self._ceilings.float16_product.median)
        return replace(
            blank,
            value=share,
            seconds=seconds,
            tflops=operations / seconds.median / 1e12,
            variant=last_variant() if ours else None,
        )

    def times(
        self,
        blank: Figure,
        forward: Figure,
        work: Callable[..., object],
        inputs: list[tuple[Any, ...]],
    ) -> Figure:
        """A backward against the time of its ``forward``."""
        seconds = self._bursts(work, inputs)
        if forward.seconds is None:
            raise ValueError("forward: got a figure without seconds")
        ratio = seconds.times(1 / forward.seconds.median)
        return replace(blank, unit="times", value=ratio, seconds=seconds)


def taken(blank: Figure, take: Callable[[Figure], Figure]) -> Figure:
    """``take(blank)``, or ``blank`` with the reason why that failed: the others go on."""
    try:
        return take(blank)
    except WrongResult as reason:
        return replace(blank, wrong=True, why_not=str(reason))
    except Exception as reason:
        return replace(blank, why_not=first_line(reason))

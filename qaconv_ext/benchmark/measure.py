"""Timing and memory, of two things in turn in one process."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Work = Callable[[], list[Tensor]]


@dataclass(frozen=True)
class Spread:
    """Of several runs: minimum, median, maximum, and how many."""

    minimum: float
    median: float
    maximum: float
    runs: int

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of a list that is not empty."""
        return cls(min(values), statistics.median(values), max(values), len(values))

    def times(self, factor: float) -> Spread:
        """All three times a number."""
        return Spread(self.minimum * factor, self.median * factor, self.maximum * factor, self.runs)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def largest_error(ours: list[Tensor], plain: list[Tensor]) -> float:
    """The largest difference, relative to the largest magnitude of each result."""
    return max(
        ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item()
        for a, b in zip(ours, plain, strict=True)
    )


def _seconds(work: Work, device: str) -> float:
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def time_in_turn(
    ours: Work, plain: Work, device: str, *, budget: float
) -> tuple[Spread, Spread, Spread]:
    """Seconds of each, and the ratio plain / ours run by run.

    The two alternate, so that a machine that drifts does so for both, and the ratio is taken of
    neighbours. Runs until ``budget`` seconds are spent, at least 3 and at most 50 of each.
    """
    _seconds(ours, device), _seconds(plain, device)
    mine: list[float] = []
    other: list[float] = []
    start = time.perf_counter()
    while len(mine) < 3 or (time.perf_counter() - start < budget and len(mine) < 50):
        mine.append(_seconds(ours, device))
        other.append(_seconds(plain, device))
    ratios = [b / a for a, b in zip(mine, other, strict=True)]
    return Spread.of(mine), Spread.of(other), Spread.of(ratios)


def ratios_in_turn(
    ours: Callable[[], object], other: Callable[[], object], *, budget: float
) -> Spread:
    """How many times longer ``other`` takes on the CPU than ``ours``, run by run in turn."""

    def as_work(run: Callable[[], object]) -> Work:
        def work() -> list[Tensor]:
            run()
            return []

        return work

    return time_in_turn(as_work(ours), as_work(other), "cpu", budget=budget)[2]


def _status_kib(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def peak_extra_bytes(work: Work, device: str) -> int | None:
    """How much memory ``work`` needs at its height beyond what was held before.

    On CUDA by torch's allocator; on Linux by the kernel's high-water mark of resident memory, which
    is reset first; None where neither can tell.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before
    try:
        # glibc keeps what earlier runs freed, and would give it out again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status_kib("VmRSS")
        work()
        return max(0, _status_kib("VmHWM") - before) * 1024
    except (OSError, AttributeError):
        return None

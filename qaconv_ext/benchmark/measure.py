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
#: How long a run takes, in seconds.
Clock = Callable[[Callable[[], object]], float]


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
        ((a.double() - b.double()).abs().max() / b.double().abs().max().clamp_min(1e-30)).item()
        for a, b in zip(ours, plain, strict=True)
    )


def norm_error(ours: list[Tensor], plain: list[Tensor]) -> float:
    """The largest difference by norm, relative to the norm of each result.

    For gradients where sums are rounded otherwise: of two nearly equal locations another one may
    win, and then single elements of the gradient differ by as much as they are.
    """
    return max(
        float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-30))
        for a, b in zip(ours, plain, strict=True)
    )


def wall_clock(work: Callable[[], object]) -> float:
    """The clock of the CPU."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def time_in_turn(
    ours: Callable[[], object],
    other: Callable[[], object],
    clock: Clock,
    *,
    budget: float,
    warm: bool = False,
    least: int = 3,
) -> tuple[Spread, Spread, Spread]:
    """Seconds of each, and the ratio other / ours run by run.

    The two alternate, so that a machine that drifts does so for both, and the ratio is taken of
    neighbors. Runs until ``budget`` seconds are spent, at least ``least`` and at most 50 of each;
    before them one of each that does not count, unless both ran before (``warm``).
    """
    if not warm:
        clock(ours), clock(other)
    mine: list[float] = []
    others: list[float] = []
    start = time.perf_counter()
    while len(mine) < least or (time.perf_counter() - start < budget and len(mine) < 50):
        mine.append(clock(ours))
        others.append(clock(other))
    ratios = [b / a for a, b in zip(mine, others, strict=True)]
    return Spread.of(mine), Spread.of(others), Spread.of(ratios)


def ratios_in_turn(
    ours: Callable[[], object], other: Callable[[], object], *, budget: float
) -> Spread:
    """How many times longer ``other`` takes on the CPU than ``ours``, run by run in turn."""
    return time_in_turn(ours, other, wall_clock, budget=budget)[2]


def available_bytes() -> int | None:
    """Memory that a process could still get; None where the system does not tell."""
    try:
        return _field(Path("/proc/meminfo"), "MemAvailable") * 1024
    except OSError:
        return None


def _field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise OSError(f"{file} has no {name}")


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
    status = Path("/proc/self/status")
    try:
        # glibc keeps what earlier runs freed, and would give it out again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _field(status, "VmRSS")
        work()
        return max(0, _field(status, "VmHWM") - before) * 1024
    except (OSError, AttributeError):
        return None

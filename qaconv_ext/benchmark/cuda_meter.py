"""How a GPU is measured: by its own clock, from a cold second-level cache, beside its own peak."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import torch


def is_emulated() -> bool:
    """Whether the device is an emulator of the CUDA runtime: times mean nothing there."""
    return "emulat" in torch.cuda.get_device_name().lower()


class CudaClock:
    """Seconds between two events around a run, the second-level cache emptied before it.

    The emptying also keeps the device busy while the run is being launched, so that launches count
    only where they take longer than the work.
    """

    def __init__(self) -> None:
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        size = 1 if is_emulated() else max(2 * properties.L2_cache_size, 64 * 2**20)
        self._cache = torch.empty(size, dtype=torch.uint8, device="cuda")
        self._begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def __call__(self, work: Callable[[], object]) -> float:
        """Run once."""
        self._cache.zero_()
        self._begin.record()
        work()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1e3


def tensor_peak(clock: CudaClock, *, quick: bool) -> float:
    """Multiplications and additions per second of a large float16 matrix product, best of ten."""
    size = 64 if quick else 8192
    a, b = torch.randn(2, size, size, device="cuda", dtype=torch.float16).unbind()
    out = torch.empty_like(a)

    def work() -> None:
        torch.mm(a, b, out=out)

    work()
    return 2.0 * size**3 / min(clock(work) for _ in range(10))


#: What nvidia-smi is asked for, and the name it gets.
_QUERIES = {
    "driver": "driver_version",
    "sm_clock": "clocks.sm",
    "most_sm_clock": "clocks.max.sm",
    "memory_clock": "clocks.mem",
    "power_limit": "power.limit",
}


def gpu_facts() -> dict[str, Any]:
    """The GPU and its software; clocks and driver where nvidia-smi tells them."""
    facts: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": torch.version.cuda,
    }
    if is_emulated():
        return {**facts, "emulated": True}
    command = ["nvidia-smi", "--format=csv,noheader", "--query-gpu=" + ",".join(_QUERIES.values())]
    try:
        run = subprocess.run(
            # By its own name: numbers are counted anew where some devices are hidden.
            [*command, f"--id=GPU-{torch.cuda.get_device_properties().uuid}"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return facts
    answers = [answer.strip() for answer in run.stdout.strip().split(",")]
    if run.returncode == 0 and len(answers) == len(_QUERIES):
        facts |= dict(zip(_QUERIES, answers, strict=True))
    return facts

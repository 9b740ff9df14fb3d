"""Where the time of a step goes, without waiting for the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["StageClock"]


class StageClock:
    """Seconds by stage: of the processor's clock, or on CUDA of events in the stream.

    Args:
        device: what the stages compute on.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._seconds: dict[str, float] = {}
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is within as ``stage``."""
        if self._cuda:
            begin, end = _event(), _event()
            begin.record()
            yield
            end.record()
            self._events.append((stage, begin, end))
        else:
            started = time.perf_counter()
            yield
            self._add(stage, time.perf_counter() - started)

    def read(self, seconds: dict[str, float]) -> None:
        """Add what has been timed since the last time to ``seconds``; waits for the last of it."""
        for stage, begin, end in self._events:
            end.synchronize()
            self._add(stage, begin.elapsed_time(end) / 1e3)
        for stage, spent in self._seconds.items():
            seconds[stage] += spent
        self._events.clear()
        self._seconds.clear()

    def _add(self, stage: str, spent: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + spent


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

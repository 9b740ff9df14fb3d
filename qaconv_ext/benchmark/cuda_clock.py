"""The two clocks of a GPU: neither finds its inputs in a warm second-level cache.

* `CudaClock`: how long does one call take a user? One run between two events, the cache emptied
  before it. For comparisons with baselines, whose intermediates are larger than any cache: what is
  left in it after a run differs from one to the next and would favor some.
* `Bursts`: what does the card do when it has nothing else to do? Many calls on end, on several
  copies of the inputs in turn, which together are twice the cache, so that no call finds its own
  where it left them. Emptying the cache between calls would make each begin with an idle card,
  and let clocks rise in the pause. The ceilings, which shares are of, are measured so as well.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qaconv_ext.benchmark.cuda_meter import is_emulated
from qaconv_ext.benchmark.measure import Spread


def _cache_bytes() -> int:
    """The size of the second-level cache; an emulator has none worth the time."""
    if is_emulated():
        return 1
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)


class _Events:
    def __init__(self) -> None:
        self._begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def seconds(self, work: Callable[[], object]) -> float:
        """From when the device comes to ``work`` until it is done with it."""
        self._begin.record()
        work()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1e3


class CudaClock:
    """Seconds of one run, from a cold second-level cache.

    The emptying also keeps the device busy while the run is being launched, so that launches count
    only where they take longer than the work.
    """

    def __init__(self) -> None:
        size = 1 if is_emulated() else max(2 * _cache_bytes(), 64 * 2**20)
        self._cache = torch.empty(size, dtype=torch.uint8, device="cuda")
        self._events = _Events()

    def __call__(self, work: Callable[[], object]) -> float:
        """Run once."""
        self._cache.zero_()
        return self._events.seconds(work)


def copies(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The inputs of a call so many times over that all together are twice the cache."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    # One that is larger than that pushes itself out; at most so many as there is a sense in.
    count = min(math.ceil(2 * _cache_bytes() / size), 256)
    return [tensors, *(tuple(t.clone() for t in tensors) for _ in range(count - 1))]


class Bursts:
    """Seconds of a call among many on end, each on the next of several inputs.

    A burst is long enough (``least`` seconds) that its events cost nothing; its calls are launched
    while others run, so launches count only where they take longer than the work.
    """

    def __init__(self, *, samples: int = 7, least: float = 0.008, longest: float = 0.4) -> None:
        self._events = _Events()
        self._samples, self._least, self._longest = samples, least, longest

    def __call__(
        self, work: Callable[..., object], inputs: list[tuple[Any, ...]], *, calls: int = 1
    ) -> Spread:
        """The spread over several bursts, after one that does not count.

        Args:
            work: called with one of ``inputs`` at a time.
            inputs: from `copies`.
            calls: how many calls ``work`` stands for.
        """
        turn = itertools.cycle(inputs)

        def burst(length: int) -> float:
            def run() -> None:
                for _ in range(length):
                    work(*next(turn))

            return self._events.seconds(run) / length / calls

        once = burst(1) * calls  # loads code and takes memory as well
        if once > self._longest:
            return Spread.of([burst(1) for _ in range(3)])
        length = max(1, min(math.ceil(self._least / max(burst(1) * calls, 1e-6)), 2000))
        burst(length)
        return Spread.of([burst(length) for _ in range(self._samples)])

"""How near the CPU kernels come to the machine's limits, as ratios taken in one process.

The limit is the FMA peak, measured beside each figure by a loop that multiplies and adds in
registers on as many threads. Other figures are ratios of two of our own calls.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from qaconv_ext import functional
from qaconv_ext.benchmark.measure import Spread, ratios_in_turn, wall_clock
from qaconv_ext.narrow import Precision, match_scores_narrow, why_slow


@dataclass(frozen=True)
class Limit:
    """A ratio: what it is of, against what, and how large."""

    name: str
    against: str
    ratio: Spread


def _maps(count: int, channels: int, locations: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, channels, locations, generator=generator)
    return torch.nn.functional.normalize(maps, dim=1)


def _peak() -> tuple[float, Callable[[], object]]:
    """Work at the float32 peak of torch's threads, and how many operations it makes.

    On the threads the kernels run on, and dealt as theirs is: other threads would compete with
    those, which wait busily for a while.
    """
    rounds, parts = 500_000, 4 * torch.get_num_threads()

    def work() -> float:
        return float(torch.ops.qaconv.fma_operations(rounds, parts))

    return work(), work


def fma_peak() -> float:
    """Multiplications and additions per second at the float32 peak: the best of several runs."""
    operations, work = _peak()
    return operations / min(wall_clock(work) for _ in range(5))


def _share_of_peak(
    name: str, shape: tuple[int, int, int], run: Callable[[Tensor], object], budget: float
) -> Limit:
    """Operations per second over those at the peak, ``[N, C, locations]`` maps with each other."""
    count, channels, locations = shape
    maps = _maps(count, channels, locations)
    operations = 2.0 * count * count * locations * locations * channels
    at_peak, work = _peak()
    ratio = ratios_in_turn(lambda: run(maps), work, budget=budget)
    share = ratio.times(operations / at_peak)
    return Limit(f"{name}, {count} x {count}, C={channels}, hw={locations}", "FMA peak", share)


def cold_start(device: str) -> Limit:
    """How much longer the first call of a process takes than its second, in seconds."""
    code = (
        "import sys, time, torch; from qaconv_ext.functional import match_scores;"
        "x = torch.nn.functional.normalize(torch.randn(4, 128, 192), dim=1).to(sys.argv[1]);"
        "w = torch.ones(192, device=x.device); match = lambda: match_scores(x, x, w).cpu();"
        "a = time.perf_counter(); match(); b = time.perf_counter();"
        "match(); print((b - a) - (time.perf_counter() - b))"
    )
    command = [sys.executable, "-c", code, device]
    runs = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    return Limit("first call over the second, seconds", "–", Spread.of(runs))


def _backward(count: int, pairs: int | None, budget: float) -> Limit:
    """The backward alone against its forward; ``pairs``: only so many have a gradient."""
    maps = _maps(count, 128, 192)
    maxima, index = torch.ops.qaconv.correlation_max_self(maps)
    gradient = torch.randn_like(maxima)
    if pairs is not None:
        chosen = torch.zeros(count * count, dtype=torch.bool)
        order = torch.randperm(count * count, generator=torch.Generator().manual_seed(1))
        chosen[order[:pairs]] = True
        gradient *= chosen.reshape(count, count, 1)
    ratio = ratios_in_turn(
        lambda: torch.ops.qaconv.correlation_max_self(maps),
        lambda: torch.ops.qaconv.correlation_max_self_backward(gradient, maps, index),
        budget=budget,
    )
    touched = "" if pairs is None else f", gradient on {pairs} of {count * count} pairs"
    return Limit(f"backward of a self match, B={count}{touched}", "its forward, time", ratio)


def _match_with_ones(maps: Tensor) -> Tensor:
    return functional.match_scores(maps, maps, torch.ones(maps.shape[2]))


def _narrow(precision: Precision, shape: tuple[int, int, int, int], budget: float) -> Limit:
    """How many times faster winners by narrow products make the scores of two sets of maps."""
    probes, galleries, channels, locations = shape
    probe, gallery = _maps(probes, channels, locations), _maps(galleries, channels, locations, 1)
    weight = torch.full((locations,), 1 / locations)
    name = f"match_scores_narrow {precision}, {probes} x {galleries}, C={channels}, hw={locations}"
    return Limit(
        name,
        "match_scores, times faster",
        ratios_in_turn(
            lambda: match_scores_narrow(probe, gallery, weight, precision=precision),
            lambda: functional.match_scores(probe, gallery, weight),
            budget=budget,
        ),
    )


def limits(*, quick: bool, budget: float) -> Iterator[Limit]:
    """All figures; ``quick`` takes sizes that a test can afford."""
    few, many = (4, 8) if quick else (64, 128)
    for name, shape in (
        ("match_scores", (few, 128, 192)),
        ("match_scores", (2 * few, 37, 105)),
        ("match_scores", (few // 4, 2048, 192)),
    ):
        yield _share_of_peak(name, shape, _match_with_ones, budget)
    yield _share_of_peak(
        "correlation_max",
        (few, 128, 192),
        lambda maps: functional.correlation_max(maps, maps),
        budget,
    )
    maps, weight = _maps(many, 128, 192), torch.ones(192)
    yield Limit(
        f"pairwise_distance, N={many}",
        "match_scores of the same matrix",
        ratios_in_turn(
            lambda: functional.pairwise_distance(maps, weight),
            lambda: functional.match_scores(maps, maps, weight),
            budget=budget,
        ),
    )
    for precision in get_args(Precision):
        if why_slow(precision):
            continue
        for locations in (192, 128):
            yield _narrow(precision, (few, 8 * few, 128, locations), budget)
    yield _backward(few, None, budget)
    yield _backward(few, 2 * few, budget)
    if not quick:
        yield cold_start("cpu")

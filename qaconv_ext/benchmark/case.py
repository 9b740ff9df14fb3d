"""A case: our way and other ways to the same numbers; proven, then timed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from qaconv_ext.benchmark.measure import (
    Clock,
    Work,
    largest_error,
    peak_extra_bytes,
    time_in_turn,
)

#: Of float32 results, gradients included, relative to the largest of each.
LARGEST_ERROR = 1e-4


@dataclass(frozen=True)
class Baseline:
    """Another way to the numbers of a case, and how far it may be from the truth."""

    run: Work
    largest_error: float = LARGEST_ERROR


@dataclass(frozen=True)
class Case:
    """Callables that return the same tensors, and the operations they are worth."""

    name: str
    shape: str
    ours: Work
    baselines: dict[str, Baseline]
    """The first is the truth, and plain PyTorch: what differs from it is not timed."""
    operations: float
    """Multiplications and additions of all correlations; a triangle counts as its square."""
    least_operations: float
    """Those that no way around is known of: a triangle counts as such."""
    not_timed: dict[str, str] = field(default_factory=dict)
    """Baselines that are not there, and why."""
    error: Callable[[list[Tensor], list[Tensor]], float] = largest_error
    """How far a result is from the truth."""


@dataclass(frozen=True)
class Meter:
    """How a device is measured."""

    device: str
    clock: Clock
    peak: Callable[[], float] | None
    """Operations per second at the device's limit, measured; None where it is not known."""


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}"[:200]


def _prove(case: Case) -> tuple[dict[str, float], dict[str, str]]:
    """Errors of the ways that may be timed, and why the others may not.

    Raises:
        SystemExit: our own way differs from the truth.
    """
    (first, truth_way), *others = case.baselines.items()
    truth = truth_way.run()
    error = case.error(case.ours(), truth)
    if not error <= truth_way.largest_error:
        raise SystemExit(
            f"{case.name} {case.shape}: differs from plain PyTorch ({first}) by {error:.2g} of "
            f"the largest value (allowed {truth_way.largest_error:g}); what is wrong is not timed"
        )
    errors, not_timed = {first: error}, dict(case.not_timed)
    for name, way in others:
        try:
            errors[name] = case.error(way.run(), truth)
        except Exception as reason:  # a compiler, a package: whatever ails it is not ours
            not_timed[name] = _first_line(reason)
            continue
        if not errors[name] <= way.largest_error:
            not_timed[name] = (
                f"differs from the reference by {errors.pop(name):.2g} of the largest value "
                f"(allowed {way.largest_error:g})"
            )
    return errors, not_timed


def measure(case: Case, meter: Meter, budget: float) -> dict[str, Any]:
    """The figures of one case; raises SystemExit where our way does not give the true numbers."""
    errors, not_timed = _prove(case)
    peak = None if meter.peak is None else meter.peak()
    result: dict[str, Any] = {"case": case.name, "shape": case.shape, "baselines": {}}
    for name, error in errors.items():
        other = case.baselines[name].run
        mine, its, ratio = time_in_turn(case.ours, other, meter.clock, budget=budget, warm=True)
        result["baselines"][name] = {
            "largest_error": error,
            "ours_seconds": mine.as_dict(),
            "seconds": its.as_dict(),
            "times_faster": ratio.as_dict(),
            # A kernel that did nothing but its multiplications, at the measured peak.
            "at_most": None if peak is None else its.median * peak / case.least_operations,
            "peak_extra_bytes": peak_extra_bytes(other, meter.device),
        }
    first = next(iter(result["baselines"].values()))
    result["seconds"] = first["ours_seconds"]
    result["gflops"] = case.operations / first["ours_seconds"]["median"] / 1e9
    result["peak_gflops"] = None if peak is None else peak / 1e9
    result["peak_extra_bytes"] = peak_extra_bytes(case.ours, meter.device)
    result["not_timed"] = not_timed
    return result


def pairs_of_triangle(count: int) -> int:
    """Pairs of a set with itself, each once."""
    return math.comb(count + 1, 2)

"""A case: ours and the baselines, which give the same numbers; proven, then timed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from qaconv_ext.benchmark.measure import (
    Clock,
    Work,
    largest_error,
    norm_error,
    peak_extra_bytes,
    time_in_turn,
)

#: Of float32 results, gradients included, relative to the largest of each.
LARGEST_ERROR = 1e-4


@dataclass(frozen=True)
class Baseline:
    """Another implementation of a case, and how far it may be from the truth."""

    run: Work
    largest_error: float = LARGEST_ERROR
    gradient_error: float | None = None
    """Of the gradients, by norm; None holds them to ``largest_error`` like all else."""
    kind: str = "eager"
    """``eager`` or ``compiled`` plain PyTorch, or a ``package``."""


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
    """Those that nobody knows how to do without: a triangle counts as such."""
    not_timed: dict[str, str] = field(default_factory=dict)
    """Baselines that are not there, and why."""
    gradients: int = 0
    """How many of the results, the last ones, are gradients."""
    error: Callable[[list[Tensor], list[Tensor]], float] = largest_error
    """How far a result is from the truth."""
    target: str | None = None
    """The figures to reach that it answers for."""


@dataclass(frozen=True)
class Meter:
    """How a device is measured."""

    device: str
    clock: Clock
    peak: Callable[[], float] | None
    """Operations per second at the device's limit, measured; None where it is not known."""
    least_runs: int = 3
    warm_up: bool = False
    """One run of each more that does not count, beside those that proved it."""
    variant: Callable[[], str | None] | None = None
    """The kernel variant that ran last; None where there is but one."""
    end: float = math.inf
    """When, by ``time.monotonic``, it is too late to begin with another baseline."""


def first_line(error: BaseException) -> str:
    """An error in a line, short enough for a table."""
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}"[:200]


class Errors(NamedTuple):
    """How far a result is from the truth."""

    values: float
    """As the case says; of gradients too, where the baseline does not hold them apart."""
    gradients: float | None
    """By norm."""

    def beyond(self, baseline: Baseline) -> str | None:
        """What is too large, in words; None where nothing is."""
        if not self.values <= baseline.largest_error:  # a NaN is no better
            return f"by {self.values:.2g} of the largest value (allowed {baseline.largest_error:g})"
        allowed = baseline.gradient_error
        if self.gradients is not None and allowed is not None and not self.gradients <= allowed:
            return f"by {self.gradients:.2g} of the norm of a gradient (allowed {allowed:g})"
        return None


def _errors(case: Case, baseline: Baseline, result: list[Tensor], truth: list[Tensor]) -> Errors:
    if not case.gradients or baseline.gradient_error is None:
        return Errors(case.error(result, truth), None)
    values = len(truth) - case.gradients
    return Errors(
        case.error(result[:values], truth[:values]), norm_error(result[values:], truth[values:])
    )


def prove(case: Case) -> tuple[list[Tensor], Errors]:
    """The truth of a case, after ours has been held to it, and how far ours is from it.

    Raises:
        SystemExit: too far.
    """
    name, baseline = next(iter(case.baselines.items()))
    truth = baseline.run()
    errors = _errors(case, baseline, case.ours(), truth)
    beyond = errors.beyond(baseline)
    if beyond is not None:
        raise SystemExit(
            f"{case.name} {case.shape}: differs from plain PyTorch ({name}) {beyond}; "
            "what is wrong is not timed"
        )
    return truth, errors


def _prove_others(
    case: Case, truth: list[Tensor], end: float
) -> tuple[dict[str, Errors], dict[str, str]]:
    """The baselines beside the truth that may be timed, and why the others may not."""
    proven: dict[str, Errors] = {}
    not_timed = dict(case.not_timed)
    for name, baseline in list(case.baselines.items())[1:]:
        if time.monotonic() > end:
            not_timed[name] = "the time was up"
            continue
        try:
            errors = _errors(case, baseline, baseline.run(), truth)
        except Exception as reason:  # a compiler, a package: whatever ails it is not ours
            not_timed[name] = first_line(reason)
            continue
        beyond = errors.beyond(baseline)
        if beyond is None:
            proven[name] = errors
        else:
            not_timed[name] = f"differs from the reference {beyond}"
    return proven, not_timed


def measure(case: Case, meter: Meter, budget: float) -> dict[str, Any]:
    """The figures of one case; raises SystemExit where ours does not give the true numbers.

    The error beside the first baseline, which is the truth, is that of ours.
    """
    truth, own_errors = prove(case)
    proven, not_timed = _prove_others(case, truth, meter.end)
    proven = {next(iter(case.baselines)): own_errors} | proven
    del truth  # memory is measured now
    peak = None if meter.peak is None else meter.peak()
    result: dict[str, Any] = {"case": case.name, "shape": case.shape, "baselines": {}}
    for name, errors in proven.items():
        other = case.baselines[name].run
        mine, its, ratio = time_in_turn(
            case.ours,
            other,
            meter.clock,
            budget=budget,
            warm=not meter.warm_up,
            least=meter.least_runs,
        )
        result["baselines"][name] = {
            "largest_error": errors.values,
            "gradient_error": errors.gradients,
            "ours_seconds": mine.as_dict(),
            "seconds": its.as_dict(),
            "times_faster": ratio.as_dict(),
            # A kernel that did nothing but its multiplications, at the measured peak.
            "at_most": None if peak is None else its.median * peak / case.least_operations,
            "peak_extra_bytes": peak_extra_bytes(other, meter.device),
            "kind": case.baselines[name].kind,
        }
    first = next(iter(result["baselines"].values()))
    median = first["ours_seconds"]["median"]
    result["seconds"] = first["ours_seconds"]
    result["gflops"] = case.operations / median / 1e9
    result["peak_gflops"] = None if peak is None else peak / 1e9
    result["share_of_peak"] = None if peak is None else case.least_operations / median / peak
    result["peak_extra_bytes"] = peak_extra_bytes(case.ours, meter.device)
    if meter.variant is not None:
        result["variant"] = meter.variant()  # of the run just made
    result["target"] = case.target
    result["not_timed"] = not_timed
    return result


def pairs_of_triangle(count: int) -> int:
    """Pairs of a set with itself, each once."""
    return math.comb(count + 1, 2)

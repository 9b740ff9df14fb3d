"""The figures to reach on a GPU, and whether a run reached them: one table.

They were set for an H100 and maps of 24 × 8 locations and 128 channels in 16 bits, where nothing
else is said; shares are of the float16 matrix product measured in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """A figure to reach."""

    key: str
    """What the figure or the case that answers for it names."""
    what: str
    wanted: float
    unit: str = "share"
    """``share``, ``s``, or ``times``."""
    at_most: bool = False
    """Less is better."""
    kind: str | None = None
    """Of a case: the baselines it is against, the fastest (or the most sparing) of which counts."""
    memory: bool = False
    """Of a case: memory and not time is compared."""

    @property
    def part(self) -> str:
        """Of the benchmark, which has figures for it."""
        return "kernels" if self.kind is None else "comparisons"


TARGETS = (
    Target("scores", "match_scores, both directions, 256 × 1,024 maps", 0.85),
    Target("self", "distances of 8,000 maps with themselves, of the whole square", 1.60),
    Target("graph", "the graph's distances for 8,000 classes", 1.0, "s", at_most=True),
    Target("positions", "correlation_max, both positions", 0.60),
    Target("float32", "float32 maps at float32's precision", 0.25),
    Target("backward few", "backward of a self match, B=64, to its forward", 1.0, "times", True),
    Target("backward many", "backward of a self match, B=512, to its forward", 1.0, "times", True),
    Target("eval", "QAConv in evaluation, faster than plain PyTorch", 10.0, "times", kind="eager"),
    Target(
        "eval", "QAConv in evaluation, plain PyTorch's memory to ours", 50.0, "times",
        kind="eager", memory=True,
    ),
    Target(
        "eval compiled", "QAConv in evaluation, faster than compiled", 10.0, "times",
        kind="compiled",
    ),
    Target(
        "eval compiled", "QAConv in evaluation, compiled PyTorch's memory to ours", 50.0, "times",
        kind="compiled", memory=True,
    ),
    Target("step few", "step of matcher and loss, B=64, faster", 5.0, "times", kind="eager"),
    Target("step many", "step of matcher and loss, B=256, faster", 5.0, "times", kind="eager"),
    Target("shapes", "any shape, to the better of those beside it", 0.5, "times"),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A figure to reach, and what was measured."""

    what: str
    wanted: float
    unit: str
    at_most: bool
    measured: dict[str, Any] | None
    """Minimum, median, maximum."""
    met: bool | None
    """By the median; None where nothing was measured."""
    remark: str
    """Of what, or why not."""


def verdicts(
    figures: list[dict[str, Any]], results: list[dict[str, Any]], only: str | None = None
) -> list[Verdict]:
    """Every target with what this run has for it.

    Args:
        figures: of kernels, as `figures.Figure.as_dict` gives them.
        results: of cases, as `case.measure` gives them.
        only: the part of the benchmark that is run; None for all.
    """
    found = []
    for target in TARGETS:
        if only not in (None, target.part):
            continue
        if target.key == "shapes":
            measured, remark = _worst_shape(figures)
        elif target.kind is not None:
            measured, remark = _against(target, results)
        else:
            measured, remark = _of_kernel(target, figures)
        met = None
        if measured is not None:
            median = measured["median"]
            met = median <= target.wanted if target.at_most else median >= target.wanted
        found.append(
            Verdict(target.what, target.wanted, target.unit, target.at_most, measured, met, remark)
        )
    return found


Measured = tuple[dict[str, Any] | None, str]
_NOT_TAKEN: Measured = None, "not taken in this run"


def _of_kernel(target: Target, figures: list[dict[str, Any]]) -> Measured:
    for figure in figures:
        if figure["target"] == target.key:
            if figure["value"] is None:
                return None, figure["why_not"]
            return figure["value"], f"{figure['name']}, {figure['shape']}"
    return _NOT_TAKEN


def _against(target: Target, results: list[dict[str, Any]]) -> Measured:
    for result in results:
        if result["target"] != target.key:
            continue
        of_kind = {n: b for n, b in result["baselines"].items() if b["kind"] == target.kind}
        if not of_kind:
            return None, "; ".join(f"{n}: {why}" for n, why in result["not_timed"].items())
        if not target.memory:
            name = min(of_kind, key=lambda name: of_kind[name]["seconds"]["median"])
            return of_kind[name]["times_faster"], f"{result['shape']}, against {name}"
        name = min(of_kind, key=lambda name: of_kind[name]["peak_extra_bytes"])
        ratio = of_kind[name]["peak_extra_bytes"] / max(result["peak_extra_bytes"], 1)
        measured = {"minimum": ratio, "median": ratio, "maximum": ratio, "runs": 1}
        return measured, f"{result['shape']}, against {name}"
    return _NOT_TAKEN


def _worst_shape(figures: list[dict[str, Any]]) -> Measured:
    """Each shape of a series against the better of its neighbors there; the worst of all."""
    worst: tuple[float, str] | None = None
    for ratio, figure in _beside(figures):
        if figure["value"] is None:
            return None, f"{figure['shape']}: {figure['why_not']}"
        if worst is None or ratio < worst[0]:
            worst = ratio, figure["shape"]
    if worst is None:
        return _NOT_TAKEN
    ratio, shape = worst
    return {"minimum": ratio, "median": ratio, "maximum": ratio, "runs": 1}, f"worst: {shape}"


def _beside(figures: list[dict[str, Any]]) -> Iterator[tuple[float, dict[str, Any]]]:
    for series in ("locations", "channels"):
        members = [figure for figure in figures if figure["series"] == series]
        shares = [(m["value"] or {"median": 0.0})["median"] for m in members]
        for at, (share, figure) in enumerate(zip(shares, members, strict=True)):
            neighbors = [shares[i] for i in (at - 1, at + 1) if 0 <= i < len(shares)]
            best = max(neighbors, default=0.0)
            yield (share / best if best else 1.0), figure

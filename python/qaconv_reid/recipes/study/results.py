"""From the runs of a study to its figures: what each became, and how the arms compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.evaluation import PerQuery, compare
from qaconv_reid.recipes.query_file import QueryResults, read_queries
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.recipes.study.cells import is_finished, made
from qaconv_reid.recipes.study.plan import Cell, Plan
from qaconv_reid.training.watch import SMALLEST_SCALE

__all__ = ["gather"]

#: Of an epoch's record, what is kept of each point beside the figures of the test sets.
_LEARNING = (
    "loss",
    "accuracy",
    "gap",
    "scale",
    "same_camera_pairs",
    "look_alike_pairs",
    "effective_classes",
    "most_frequent_class",
)

#: Both of a point: by the clock, and of the processor, which a run of old does not have.
_TIMES = ("seconds", "processor_seconds")

#: Of where a run was made, what is kept with it.
_MADE = ("made", "version", "commit", "uncommitted_changes", "machine")


def gather(
    plan: Plan, cells: Sequence[Cell], failures: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """All that the runs say.

    Args:
        plan: the study.
        cells: all its runs.
        failures: why runs ended that are not finished, by their names, as far as it is known.

    Returns:
        ``cells``, one for each finished run with its points, and ``unfinished``, one for each that
        was begun; ``comparisons``, one for each size, test set and arm, over the seeds that are
        finished: values are 0 to 1. A run that collapsed is finished like any other: its figures
        count, and ``collapsed`` has the sentence that was said of it.
    """
    failures = failures or {}
    finished = [cell for cell in cells if is_finished(cell)]
    records = [
        {
            **_cell(cell),
            "final": {
                entry["dataset"]: {"mAP": entry["mAP"], "rank1": entry["rank1"]}
                for entry in RunFolder(cell.folder).evaluations()
            },
        }
        for cell in finished
    ]
    queries = {
        cell.name: read_queries(RunFolder(cell.folder).evaluation_queries) for cell in finished
    }
    comparisons = [
        comparison
        for identities in plan.identities
        for dataset in sorted({name for record in records for name in record["final"]})
        for comparison in _compared(plan, identities, dataset, finished, records, queries)
    ]
    return {
        "name": plan.name,
        "about": plan.about,
        "images": plan.images,
        "baseline": plan.baseline,
        "arms": {name: arm.model_dump() for name, arm in plan.arms.items()},
        "settings": list(plan.settings),
        "cells_wanted": len(cells),
        "cells": records,
        "unfinished": [
            {**_cell(cell), "failure": failures.get(cell.name)}
            for cell in cells
            if not is_finished(cell)
            and (cell.name in failures or RunFolder(cell.folder).config_file.is_file())
        ],
        "comparisons": comparisons,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    """A run as far as its log goes."""
    folder = RunFolder(cell.folder)
    points, images, collapsed = [], 0, None
    spent: dict[str, float | None] = dict.fromkeys(_TIMES, 0.0)
    for record in folder.epochs():
        images += record["images"]
        for name, before in spent.items():
            more = _number(record.get(name))
            spent[name] = None if before is None or more is None else before + more
        sets = {
            name.removesuffix("_mAP"): {
                "mAP": value,
                "rank1": record[f"{name.removesuffix('_mAP')}_rank1"],
            }
            for name, value in record.items()
            if name.endswith("_mAP") and not name.startswith("validation")
        }
        point = {
            "images": images,
            **spent,
            "graph_share": record["graph_seconds"] / record["seconds"],
            **{name: _number(record.get(name)) for name in _LEARNING},
            "tests": sets,
        }
        points.append(point)
        collapsed = record.get("trouble") or _dead(point["scale"])
    return {
        "name": cell.name,
        "arm": cell.arm,
        "identities": cell.identities,
        "seed": cell.seed,
        "collapsed": collapsed,
        "made": [{key: it[key] for key in _MADE} for it in made(cell)],
        "points": points,
    }


def _dead(scale: float | None) -> str | None:
    """What is said of a scale of which the watch has not seen enough to say it."""
    if scale is not None and abs(scale) >= SMALLEST_SCALE:
        return None
    return f"the matcher's scale (logit_bn.weight) is {scale}"


def _number(value: object) -> float | None:
    """Of a log, which writes what is not finite as text."""
    number = math.nan if value is None else float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def _compared(
    plan: Plan,
    identities: int,
    dataset: str,
    cells: Sequence[Cell],
    records: Sequence[Mapping[str, Any]],
    queries: Mapping[str, Sequence[QueryResults]],
) -> list[dict[str, Any]]:
    """Every arm at a size on a test set, beside the baseline with the same seeds."""
    by_arm: dict[str, dict[int, tuple[Mapping[str, Any], QueryResults]]] = {}
    for cell, record in zip(cells, records, strict=True):
        found = [it for it in queries[cell.name] if it.kind.dataset == dataset]
        if cell.identities == identities and found:
            by_arm.setdefault(cell.arm, {})[cell.seed] = record, found[0]
    baseline = by_arm.get(plan.baseline, {})
    best = max((value for _, value in _curve(baseline, dataset, "images")), default=None)
    rows = []
    for arm in plan.arms:
        runs = by_arm.get(arm, {})
        if not runs:
            continue
        values = {
            name: [record["final"][dataset][name] for record, _ in runs.values()]
            for name in ("mAP", "rank1")
        }
        row: dict[str, Any] = {
            "identities": identities,
            "dataset": dataset,
            "arm": arm,
            "seeds": sorted(runs),
            "collapsed": sorted(seed for seed, (record, _) in runs.items() if record["collapsed"]),
            **{name: _spread(numbers) for name, numbers in values.items()},
            "graph_share": _spread(
                [record["points"][-1]["graph_share"] for record, _ in runs.values()]
            ),
        }
        known = [
            name
            for name in _TIMES
            if all(p[name] is not None for record, _ in runs.values() for p in record["points"])
        ]
        for name in known:
            row[name] = _spread([record["points"][-1][name] for record, _ in runs.values()])
        common = sorted(set(runs) & set(baseline))
        if arm != plan.baseline and common:
            one, other = (
                _over_seeds([which[seed][1] for seed in common]) for which in (baseline, runs)
            )
            comparison = compare(one, other, next(iter(runs.values()))[1].pids)
            for name, difference in (("rank1", comparison.rank1), ("mAP", comparison.mAP)):
                row[f"{name}_over_baseline"] = {
                    "value": difference.value,
                    "interval": list(difference.interval),
                    "p_value": difference.p_value,
                }
            if best is not None:
                for name in known:
                    row[f"{name}_to_baseline"] = _reached(_curve(runs, dataset, name), best)
        rows.append(row)
    return rows


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "least": min(values), "greatest": max(values)}


def _over_seeds(results: Sequence[QueryResults]) -> PerQuery:
    """The mean of every query over some runs."""

    def mean(name: str) -> NDArray[np.float64]:
        means: NDArray[np.float64] = np.mean([getattr(it.found, name) for it in results], axis=0)
        return means

    return PerQuery(mean("rank1"), mean("average_precision"))


def _curve(
    runs: Mapping[int, tuple[Mapping[str, Any], QueryResults]], dataset: str, axis: str
) -> list[tuple[float, float]]:
    """Mean over the seeds of the axis and of mAP, point by point."""
    rows = [
        [(p[axis], p["tests"][dataset]["mAP"]) for p in record["points"] if dataset in p["tests"]]
        for record, _ in runs.values()
    ]
    length = min(map(len, rows), default=0)
    return [
        (float(np.mean([row[i][0] for row in rows])), float(np.mean([row[i][1] for row in rows])))
        for i in range(length)
    ]


def _reached(curve: Sequence[tuple[float, float]], value: float) -> float | None:
    """Where a curve first comes to a value, its points joined by straight lines; None if never."""
    before: tuple[float, float] | None = None
    for x, y in curve:
        if y >= value:
            if before is None:
                return x
            return before[0] + (x - before[0]) * (value - before[1]) / (y - before[1])
        before = (x, y)
    return None

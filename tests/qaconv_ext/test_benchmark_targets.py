"""The figures to reach on a GPU: what counts for them, and what is said where nothing does."""

from __future__ import annotations

import pytest

from qaconv_ext.benchmark.targets import verdicts

SPREAD = {"minimum": 1.0, "median": 2.0, "maximum": 3.0, "runs": 3}


def shape(share, name, series="locations"):
    return {
        "target": None,
        "series": series,
        "name": "match_scores",
        "shape": name,
        "value": None if share is None else {**SPREAD, "median": share},
        "why_not": "too large" if share is None else None,
    }


def verdict(start, figures, results=()):
    return next(v for v in verdicts(figures, list(results)) if v.what.startswith(start))


def test_figures_to_reach_are_met_missed_or_said_to_be_unknown():
    scores = {**shape(0.9, "maps", None), "target": "scores"}
    assert verdict("match_scores", [scores]).met is True
    low = {**scores, "value": {**SPREAD, "median": 0.8}}
    assert verdict("match_scores", [low]).met is False
    untaken = verdict("match_scores", [{**scores, "value": None, "why_not": "no memory"}])
    assert (untaken.met, untaken.measured, untaken.remark) == (None, None, "no memory")
    assert verdict("match_scores", []).remark == "not taken in this run"
    graph = {**scores, "target": "graph", "value": {**SPREAD, "median": 0.9}}
    assert verdict("the graph", [graph]).met is True  # at most


def test_a_shape_is_held_to_the_better_of_its_neighbors():
    shapes = [shape(s, f"hw={n}") for n, s in enumerate((0.3, 0.5, 0.2, 0.35))]
    worst = verdict("any shape", shapes)
    assert worst.measured["median"] == pytest.approx(0.4)
    assert (worst.met, worst.remark) == (False, "worst: hw=2")
    other = [shape(0.1, "C=32", "channels")]  # a series of its own
    assert verdict("any shape", shapes + other).measured["median"] == pytest.approx(0.4)
    assert verdict("any shape", [*shapes, shape(None, "hw=9")]).remark == "hw=9: too large"


def test_a_case_is_held_to_the_quickest_and_to_the_most_sparing_baseline():
    def baseline(kind, seconds, times, size):
        return {
            "kind": kind,
            "seconds": {**SPREAD, "median": seconds},
            "times_faster": {**SPREAD, "median": times},
            "peak_extra_bytes": size,
        }

    result = {
        "target": "eval",
        "shape": "P=2 G=2",
        "peak_extra_bytes": 10,
        "not_timed": {},
        "baselines": {
            "slow": baseline("eager", 3.0, 30.0, 400),
            "quick": baseline("eager", 1.0, 11.0, 900),
            "package": baseline("package", 0.1, 1.0, 1),
        },
    }
    time = verdict("QAConv in evaluation, faster than plain", [], [result])
    assert (time.met, time.measured["median"], time.remark) == (
        True,
        11.0,
        "P=2 G=2, against quick",
    )
    memory = verdict("QAConv in evaluation, plain", [], [result])
    assert (memory.met, memory.measured["median"]) == (False, 40.0)
    late = {**result, "target": "eval compiled", "not_timed": {"amax": "the time was up"}}
    unknown = verdict("QAConv in evaluation, faster than compiled", [], [late])
    assert (unknown.met, unknown.remark) == (None, "amax: the time was up")

"""Figures of the page on virtual people are those of the committed files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_rendered_from_the_results():
    script = ROOT / "benchmarks" / "render_people.py"
    run = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def render():
    return load_script(ROOT / "benchmarks" / "render_people.py")


def measured(method, *rank1):
    """A method's figures: within a, within b, from a to b, from b to a."""
    places = (("a", "a"), ("b", "b"), ("a", "b"), ("b", "a"))
    return [
        {"method": method, "query": q, "gallery": g, "rank1": r, "mAP": r / 2}
        for (q, g), r in zip(places, rank1, strict=True)
    ]


def run(name, seed, epochs=4):
    return {
        "name": name,
        "train": ["a"],
        "sampler": {"kind": "graph"},
        "schedule": {"max_epochs": epochs},
        "seed": seed,
    }


def test_seeds_of_one_method_share_a_row(render):
    figures = measured("colors", 0.3, 0.4, 0.1, 0.2)
    figures += measured("run x", 0.9, 0.8, 0.4, 0.6) + measured("run y", 0.7, 0.8, 0.2, 0.2)
    lines = render.by_place({"runs": [run("x", 0), run("y", 1)], "figures": figures})
    assert lines == [
        "| Rank-1 / mAP | within a | within the others | across domains |",
        "|---|---|---|---|",
        "| colors | 30.0 / 15.0 | 40.0 / 20.0 | 15.0 / 7.5 |",
        "| trained, graph sampler, 2 seeds | 80.0 (70.0–90.0) / 40.0 (35.0–45.0) "
        "| 80.0 (80.0–80.0) / 40.0 (40.0–40.0) | 35.0 (20.0–50.0) / 17.5 (10.0–25.0) |",
    ]


def test_a_baseline_on_the_maps_of_runs_is_a_row_of_its_own(render):
    figures = measured("stripes, run x", 0.4, 0.4, 0.4, 0.4)
    figures += measured("stripes, run y", 0.6, 0.6, 0.6, 0.6)
    others = [{**figure, "variant": "shaken=0.1", "rank1": 0} for figure in figures]
    data = {"runs": [run("x", 0), run("y", 1)], "figures": figures + others}
    (row,) = render.by_place(data)[2:]
    assert row.startswith("| stripes, trained, graph sampler, 2 seeds | 50.0 (40.0–60.0) / 25.0")


def test_runs_of_other_settings_are_not_averaged(render):
    figures = measured("run x", 1, 1, 1, 1) + measured("run y", 1, 1, 1, 1)
    with pytest.raises(SystemExit, match="other settings"):
        render.by_place({"runs": [run("x", 0), run("y", 1, epochs=9)], "figures": figures})

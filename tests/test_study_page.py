"""Figures of the pages on studies are those of the committed files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.images import write_person_folders
from support.scripts import load_script
from support.trained import HEIGHT, WIDTH, write_run

ROOT = Path(__file__).resolve().parents[1]


def test_the_pages_are_rendered_from_the_results():
    script = ROOT / "benchmarks" / "render_study.py"
    run = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def render(monkeypatch, tmp_path):
    script = load_script(ROOT / "benchmarks" / "render_study.py")
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    return script


def spread(mean):
    return {"mean": mean, "least": mean - 0.01, "greatest": mean + 0.02}


def comparison(arm, **more):
    return {
        **{"identities": 100, "dataset": "station", "arm": arm, "seeds": [0, 1], "collapsed": []},
        **{"mAP": spread(0.3), "rank1": spread(0.4), "seconds": spread(90.0)},
        **more,
    }


def cell(arm, seed, **more):
    point = {"images": 640, "accuracy": 0.5, "gap": None, "scale": 1.0, "graph_share": 0.1}
    point |= {"look_alike_pairs": None, "same_camera_pairs": 0.25, "effective_classes": 0.9}
    return {
        **{"arm": arm, "identities": 100, "seed": seed, "collapsed": None, "points": [point]},
        **more,
    }


STUDY = {
    **{"name": "s", "images": 640, "baseline": "PK", "arms": {"GS": {}, "PK": {}}},
    **{"command": "qaconv study s", "commit": "0123456789ab", "made": "2026-01-02T03"},
    "machine": {"processor": "a processor"},
    "cells_wanted": 5,
    "untrained": {"station": {"mAP": 0.1, "rank1": 0.2}},
    "cells": [cell("GS", 0), cell("GS", 1), cell("PK", 0), cell("PK", 1, collapsed="no scale.")],
    "unfinished": [cell("PK", 2, points=[])],
    "comparisons": [
        comparison(
            "GS",
            mAP_over_baseline={"value": 0.012, "interval": [0.002, 0.022]},
            seconds_to_baseline=None,
        ),
        comparison("PK", collapsed=[1]),
    ],
}


def test_what_stands_between_the_markers(render, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(STUDY))
    page = render.render(("s",), "before\n<!-- s: begin -->\nold\n<!-- s: end -->\nafter\n")
    assert page.startswith("before\n<!-- s: begin -->\n")
    assert page.endswith("<!-- s: end -->\nafter\n")
    lines = page.splitlines()
    assert "old" not in lines
    assert "| untrained |  | 20.0 / 10.0 |  |" in lines
    assert "| GS | 2 | 40.0 / 30.0 (29.0–32.0) | +1.2 ± 1.0 |" in lines
    assert "| GS | 50 % | – | 1.00 | – % | 25.0 % | 0.90 | 10 % |" in lines
    assert "| GS | 90 | never |" in lines
    assert "* PK, seed 1, collapsed: no scale." in lines
    assert "* PK, seed 2, not finished, 0 images seen" in lines
    assert "4 of 5 runs" in page


def test_processor_time_stands_on_the_page_where_all_runs_have_it(render):
    some, every = (json.loads(json.dumps(STUDY)) for _ in range(2))
    for row in every["comparisons"]:
        row["processor_seconds"] = spread(70.0)
    every["comparisons"][0]["processor_seconds_to_baseline"] = 35.0
    some["comparisons"][0]["processor_seconds"] = spread(70.0)
    on_gpu = {**every, "machine": {"gpu": "a card"}}
    assert [render.times(data, 100)[0].split(" of ")[0] for data in (some, every, on_gpu)] == [
        "Seconds",
        "Processor seconds",
        "Seconds",
    ]
    assert "| GS | 70 | 35 |" in render.times(every, 100)


def test_a_study_that_was_not_made_leaves_a_page_without_its_markers(render):
    assert render.render(("s",), "a page\n") == "a page\n"
    with pytest.raises(FileNotFoundError):
        render.render(("s",), "<!-- s: begin -->\n<!-- s: end -->\n")


def test_the_cost_of_the_graph_adds_up():
    script = load_script(ROOT / "benchmarks" / "graph_table.py")
    seconds = {"features": 2, "network step": 3, "distances": 5, "distances, plain PyTorch": 50}
    seconds |= {"triplet step": 1, "triplet step, plain PyTorch": 7}
    seconds |= {"class memory step": 4, "class memory step, plain PyTorch": 9}
    parts = [{"what": what, "processor_seconds": spent} for what, spent in seconds.items()]
    found = script.costs({"classes": 10, "parts": parts})
    assert found["graph epoch"] == 2 + 5 + 10 * (3 + 1)
    assert found["graph epoch, plain PyTorch"] == 2 + 50 + 10 * (3 + 7)
    assert found["memory epoch"] == 10 * (3 + 4)
    assert found["memory epoch, plain PyTorch"] == 10 * (3 + 9)


def test_the_benchmark_of_the_graph_runs(tmp_path, monkeypatch, capsys):
    script = ROOT / "benchmarks" / "graph_cost.py"
    write_run(tmp_path / "run")
    write_person_folders(tmp_path / "people", 72, 2, height=HEIGHT, width=WIDTH)
    argv = [str(script), str(tmp_path / "run"), str(tmp_path / "people"), "--classes", "70,72"]
    monkeypatch.setattr(sys, "argv", argv)
    assert load_script(script).main() == 0
    out = capsys.readouterr().out
    assert out.count("shortlist") == 2
    assert "class memory step, plain PyTorch" in out


def test_the_figure_of_how_batches_are_drawn():
    script = load_script(ROOT / "benchmarks" / "sampling_figure.py")
    arm = "PK of one set then graph"
    data = {**STUDY, "comparisons": [comparison(arm), comparison("class memory")]}
    drawn = script.bars([("a group", data, 100)], "station")
    assert "30.0  PK of one domain each, then graph sampling, 2 seeds" in drawn
    assert drawn.index("class memory, 2 seeds") < drawn.index("PK of one domain")  # in their order
    assert drawn.count("<rect") == 3  # the ground, and a bar each
    with pytest.raises(ValueError, match="unpack"):
        script.bars([("a", data, 100), ("b", {**data, "images": 1}, 100)], "station")


def test_a_study_without_its_baseline_has_no_empty_columns(render, tmp_path):
    alone = {**STUDY, "comparisons": [comparison("GS")]}
    (tmp_path / "s.json").write_text(json.dumps(alone))
    page = render.render(("s",), "<!-- s: begin -->\n<!-- s: end -->\n")
    assert "Δ" not in page
    assert "until the mean curve" not in page
    assert "| GS | 2 | 40.0 / 30.0 (29.0–32.0) |" in page

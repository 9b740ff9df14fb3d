"""Figures of the page on evaluation are those of the committed files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "render_evaluation.py"


def test_the_page_is_rendered_from_the_results():
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_smaller_runs_stand_first_and_a_size_stands_once():
    def run(queries, *parts):
        parts = [
            {"what": what, "processor_seconds": 1.25, "seconds": 2, "peak_gib": 0.5}
            for what in parts
        ]
        return {"queries": queries, "gallery": 2000, "command": "x", "parts": parts}

    assert load_script(SCRIPT).table([run(3000, "a"), run(20, "b", "c")])[2:] == [
        "| 20 × 2,000 | b | 1.2 | 2.0 | 0.50 |",
        "|  | c | 1.2 | 2.0 | 0.50 |",
        "| 3,000 × 2,000 | a | 1.2 | 2.0 | 0.50 |",
    ]


@pytest.mark.parametrize(("way", "part"), [((), "re-ranked + TLift"), (("--dense",), "dense")])
def test_the_benchmark_runs(monkeypatch, capsys, way, part):
    script = ROOT / "benchmarks" / "evaluation_scale.py"
    argv = [str(script), "--queries", "20", "--gallery", "120", *way]
    monkeypatch.setattr(sys, "argv", argv)
    load_script(script).main()
    assert part in capsys.readouterr().out

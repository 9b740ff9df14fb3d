"""Figures of baselines on the page on evaluation are those of the committed files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "render_yardstick.py"


def test_the_page_is_rendered_from_the_results():
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_variants_stand_beside_each_other_and_domains_apart():
    def figure(variant, method, query, gallery, rank1):
        return {
            "variant": variant,
            "method": method,
            "query": query,
            "gallery": gallery,
            "rank1": rank1,
            "mAP": rank1 / 2,
            "mAP_interval": [rank1 / 2 - 0.02, rank1 / 2 + 0.04],
            "queries": 300,
        }

    figures = [
        figure(variant, method, query, gallery, 0.5 if variant == "plain" else 0.25)
        for variant in ("plain", "shaken=0.1")
        for method in ("colors", "stripes")
        for query, gallery in (("a", "a"), ("a", "b"), ("b", "b"))
    ]
    lines = load_script(SCRIPT).tables({"every_crop": False, "figures": figures})
    assert lines[:4] == [
        "| a, queries: 300 | plain | shaken=0.1 |",
        "|---|---|---|",
        "| colors | 50.0 / 25.0 ± 3.0 | 25.0 / 12.5 ± 3.0 |",
        "| stripes | 50.0 / 25.0 ± 3.0 | 25.0 / 12.5 ± 3.0 |",
    ]
    assert lines[5] == "| b, queries: 300 | plain | shaken=0.1 |"

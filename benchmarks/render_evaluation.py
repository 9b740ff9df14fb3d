"""Writes the table of docs/evaluation.md: ``python benchmarks/render_evaluation.py [--check]``.

Figures of time and memory stand on that page only between the markers below, and only from
benchmarks/evaluation; ``--check`` fails where the page and the files differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pages import filled, write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "evaluation.md"
FOLDER = ROOT / "benchmarks" / "evaluation"


def table(runs: list[dict[str, Any]]) -> list[str]:
    """A row for each part of each run, smaller runs first."""
    lines = [
        "| queries × gallery | part | processor seconds | by the clock | peak GiB |",
        "|---|---|---|---|---|",
    ]
    for run in sorted(runs, key=lambda run: (run["queries"] * run["gallery"], run["command"])):
        size = f"{run['queries']:,} × {run['gallery']:,}"
        if run.get("matcher", "product") != "product":
            size += f", QAConv in {run['matcher']}"
        for part in run["parts"]:
            lines.append(
                f"| {size} | {part['what']} | {part['processor_seconds']:.1f} "
                f"| {part['seconds']:.1f} | {part['peak_gib']:.2f} |"
            )
            size = ""
    return lines


def rendered(text: str) -> str:
    """The page with its table made anew."""
    runs = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    commits = ", ".join(sorted({f"`{run['commit'][:10]}`" for run in runs}))
    days = ", ".join(sorted({run["made"][:10] for run in runs}))
    about = f"`benchmarks/evaluation_scale.py` at {commits}, {days}."
    return filled(text, "scale", [*table(runs), "", about])


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

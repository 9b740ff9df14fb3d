"""Writes the tables of baselines in docs/evaluation.md: ``render_yardstick.py [--check]``.

Figures stand there only between the markers, and only from benchmarks/yardstick, which
``qaconv data measure --json`` wrote; ``--check`` fails where the page and the files differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pages import filled, write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "evaluation.md"
FOLDER = ROOT / "benchmarks" / "yardstick"


def tables(data: dict[str, Any]) -> list[str]:
    """A table for each domain: a row for each method, a column for each variant."""
    within = [figure for figure in data["figures"] if figure["query"] == figure["gallery"]]
    variants = list(dict.fromkeys(figure["variant"] for figure in within))
    lines = []
    for domain in dict.fromkeys(figure["query"] for figure in within):
        own = [figure for figure in within if figure["query"] == domain]
        queries = ", ".join(sorted({str(figure["queries"]) for figure in own}))
        how = "every crop" if data["every_crop"] else "queries"
        lines += [
            f"| {domain}, {how}: {queries} | {' | '.join(variants)} |",
            "|---|" + "---|" * len(variants),
        ]
        for method in dict.fromkeys(figure["method"] for figure in own):
            found = {figure["variant"]: figure for figure in own if figure["method"] == method}
            lines.append(f"| {method} | {' | '.join(cell(found[name]) for name in variants)} |")
        lines.append("")
    return lines


def cell(figure: dict[str, Any]) -> str:
    """Rank-1, and mAP with half of its interval, in per cent."""
    low, high = figure["mAP_interval"]
    return f"{100 * figure['rank1']:.1f} / {100 * figure['mAP']:.1f} ± {50 * (high - low):.1f}"


def runs(data: dict[str, Any]) -> list[str]:
    """What each trained method is."""
    return [
        f"`run {run['name']}`: trained on {', '.join(run['train'])}, epochs: "
        f"{run['schedule']['max_epochs']}, {run['sampler']['kind']} sampler, "
        f"{run['loss']['kind']} loss."
        for run in data["runs"]
    ]


def rendered(text: str) -> str:
    """The page with its tables made anew."""
    lines: list[str] = []
    about: list[str] = []
    for file in sorted(FOLDER.glob("*.json")):
        data = json.loads(file.read_text())
        lines += tables(data)
        size = f"{data['model']['height']}×{data['model']['width']}"
        about += [
            f"[{file.name}](../benchmarks/yardstick/{file.name}): `{data['command']}` at commit "
            f"`{data['commit'][:10]}`, {data['made'][:10]}, images of {size}. "
            + " ".join(runs(data)),
            "",
        ]
    return filled(text, "yardstick", ["", *lines, *about])


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

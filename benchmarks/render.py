"""Writes the benchmark tables from the committed JSON: ``python benchmarks/render.py [--check]``.

Figures stand in the documents only between the markers below, and only from files that were made
from a clean checkout; ``--check`` fails where a document and the files differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- rendered: begin -->", "<!-- rendered: end -->"


def mebibytes(value: int | None) -> str:
    """Bytes for a table; a dash where they were not measured."""
    return "–" if value is None else f"{value / 2**20:.1f}"


def milliseconds(seconds: float) -> str:
    """Three digits that matter, whatever the size."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def times_faster(other: dict[str, Any], quickest: bool) -> str:
    """The ratio with its spread, bold for the quickest of a case, and its upper bound."""
    ratio = other["times_faster"]
    mark = "**" if quickest else ""
    spread = f"({ratio['minimum']:.1f} – {ratio['maximum']:.1f})"
    at_most = other.get("at_most")
    bound = "–" if at_most is None else f"{at_most:.1f}"
    return f"{mark}{ratio['median']:.1f}{mark} {spread} | {bound}"


def rows(results: list[dict[str, Any]]) -> list[str]:
    """The table of one file: for each case our row, and one for each way it was timed against."""
    lines = [
        "| case | maps | way | ms | GFLOP/s | extra memory, MiB | ours is times faster | at most |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        lines.append(
            f"| `{result['case']}` | {result['shape']} | ours "
            f"| {milliseconds(result['seconds']['median'])} | {result['gflops']:.0f} "
            f"| {mebibytes(result['peak_extra_bytes'])} | | |"
        )
        others = result["baselines"]
        quickest = min(others, key=lambda name: others[name]["seconds"]["median"])
        for name, other in others.items():
            lines.append(
                f"| | | {name} | {milliseconds(other['seconds']['median'])} | "
                f"| {mebibytes(other['peak_extra_bytes'])} "
                f"| {times_faster(other, name == quickest)} |"
            )
        for name, reason in result.get("not_timed", {}).items():
            lines.append(f"| | | {name} | | | | not timed: {reason} | |")
    return lines


def ratio_rows(ratios: list[dict[str, Any]]) -> list[str]:
    """The table of the ratios to the machine's limits and among our own calls."""
    lines = ["| figure | ratio, median (min – max) | to |", "|---|---|---|"]
    for entry in ratios:
        ratio = entry["ratio"]
        lines.append(
            f"| {entry['name']} | **{ratio['median']:.3g}** "
            f"({ratio['minimum']:.3g} – {ratio['maximum']:.3g}) | {entry['against']} |"
        )
    return lines if ratios else []


def section(file: Path) -> str:
    """One file's heading, provenance and table."""
    data = json.loads(file.read_text())
    name = file.relative_to(ROOT)
    if data["uncommitted_changes"] is not False or data["commit"] is None:
        sys.exit(f"{name}: made from a checkout with uncommitted changes (or none): not rendered")
    machine = ", ".join(f"{key} {value}" for key, value in data["machine"].items())
    return "\n".join(
        [
            f"### {data['machine'].get('gpu', data['machine']['processor'])}",
            "",
            f"`{data['command']}` at commit `{data['commit'][:10]}`, {data['made']}; {machine}. "
            f"File: [{name}](../{name}).",
            "",
            *rows(data["results"]),
            "",
            *ratio_rows(data["ratios"]),
        ]
    )


def rendered(text: str) -> str:
    """The page with its block made anew."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    files = sorted((ROOT / "benchmarks" / "results").glob("*/*.json"))
    body = "\n\n".join(section(file) for file in files)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> int:
    """Render, or with ``--check`` only compare."""
    text = PAGE.read_text()
    new = rendered(text)
    if "--check" in sys.argv[1:]:
        if new != text:
            print(f"{PAGE.relative_to(ROOT)} differs from the results: run benchmarks/render.py")
        return int(new != text)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())

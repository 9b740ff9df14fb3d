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


def rows(results: list[dict[str, Any]]) -> list[str]:
    """The table of one file: for each case our row, and how many times faster it is."""
    names = list(results[0]["baselines"])
    heads = "".join(f" times faster than `{name}` |" for name in names)
    heads += "".join(f" `{name}`, MiB |" for name in names)
    lines = [
        f"| case | maps | ms | GFLOP/s | extra memory, MiB |{heads}",
        "|---|---|---|---|---|" + "---|" * 2 * len(names),
    ]
    for result in results:
        ratios, memory = "", ""
        for name in names:
            plain = result["baselines"][name]
            ratio = plain["times_faster"]
            ratios += (
                f" **{ratio['median']:.1f}** ({ratio['minimum']:.1f} – {ratio['maximum']:.1f}) |"
            )
            memory += f" {mebibytes(plain['peak_extra_bytes'])} |"
        lines.append(
            f"| `{result['case']}` | {result['shape']} "
            f"| {result['seconds']['median'] * 1e3:.1f} | {result['gflops']:.0f} "
            f"| {mebibytes(result['peak_extra_bytes'])} |{ratios}{memory}"
        )
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

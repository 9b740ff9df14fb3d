"""Writes the benchmark tables from the committed JSON: ``python benchmarks/render.py [--check]``.

Figures stand in the documents only between the markers below, and only from files that were made
from a clean checkout; ``--check`` fails where a document and the files differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pages import filled, write_or_check
from speed_table import speed_table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
#: A block of the page for each kind of device, and what stands there without a file.
EMPTY = {
    "cpu": "No processor has been measured.",
    "gpu": "No GPU has been measured: no figure of one is given anywhere.",
}


def mebibytes(value: int | None) -> str:
    """Bytes for a table; a dash where they were not measured."""
    return "–" if value is None else f"{value / 2**20:.1f}"


def percent(share: float | None) -> str:
    """Of the device's peak; a dash where it was not measured."""
    return "–" if share is None else f"{share * 100:.0f} %"


def milliseconds(seconds: float) -> str:
    """Three digits that matter, whatever the size."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def times_faster(other: dict[str, Any], fastest: bool) -> str:
    """The ratio with its spread, bold for the fastest of a case, and its upper bound."""
    ratio = other["times_faster"]
    mark = "**" if fastest else ""
    spread = f"({ratio['minimum']:.1f} – {ratio['maximum']:.1f})"
    at_most = other.get("at_most")
    bound = "–" if at_most is None else f"{at_most:.1f}"
    return f"{mark}{ratio['median']:.1f}{mark} {spread} | {bound}"


def rows(results: list[dict[str, Any]]) -> list[str]:
    """The table of one file: for each case our row, and one for each baseline, timed or not."""
    lines = [
        "| case | maps | implementation | ms | GFLOP/s | of peak | extra memory, MiB "
        "| ours is times faster | at most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        variant = f" ({result['variant']})" if result.get("variant") else ""
        lines.append(
            f"| `{result['case']}` | {result['shape']} | ours{variant} "
            f"| {milliseconds(result['seconds']['median'])} | {result['gflops']:.0f} "
            f"| {percent(result.get('share_of_peak'))} "
            f"| {mebibytes(result['peak_extra_bytes'])} | | |"
        )
        others = result["baselines"]
        fastest = min(others, key=lambda name: others[name]["seconds"]["median"])
        for name, other in others.items():
            lines.append(
                f"| | | {name} | {milliseconds(other['seconds']['median'])} | | "
                f"| {mebibytes(other['peak_extra_bytes'])} "
                f"| {times_faster(other, name == fastest)} |"
            )
        for name, reason in result.get("not_timed", {}).items():
            lines.append(f"| | | {name} | | | | | not timed: {reason} | |")
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


def amount(spread: dict[str, Any] | None, unit: str) -> str:
    """A figure of a GPU in its unit, with its spread."""
    if spread is None:
        return "–"
    low, median, high = (spread[name] for name in ("minimum", "median", "maximum"))
    if unit == "share":
        return f"**{median * 100:.0f} %** ({low * 100:.0f} – {high * 100:.0f})"
    mark = "s" if unit == "s" else "×"
    return f"**{median:.3g} {mark}** ({low:.3g} – {high:.3g})"


def ceiling_rows(ceilings: dict[str, Any]) -> list[str]:
    """What the card can do, measured in the same run."""
    lines = ["| ceiling | median | best |", "|---|---|---|"]
    for name, key, factor, unit in (
        ("float16 matrix product", "float16_product_flops", 1e12, "TFLOP/s"),
        ("the same, at the end", "float16_product_flops_at_end", 1e12, "TFLOP/s"),
        ("float32 matrix product, without TF32", "float32_product_flops", 1e12, "TFLOP/s"),
        ("copy, read and written", "copied_bytes_per_second", 1e9, "GB/s"),
    ):
        rate = ceilings[key]
        median, best = (f"{rate[of] / factor:.0f} {unit}" for of in ("median", "maximum"))
        lines.append(f"| {name} | {median} | {best} |")
    at_work = ", ".join(f"{key} {value}" for key, value in ceilings["at_work"].items())
    return [*lines, "", f"During the float16 product: {at_work or 'nothing tells'}.", ""]


def target_rows(targets: list[dict[str, Any]]) -> list[str]:
    """The figures to reach, and whether they were."""
    lines = ["| figure to reach | wanted | measured | met | of what |", "|---|---|---|---|---|"]
    for entry in targets:
        bound, value = ("≤", "≥")[not entry["at_most"]], entry["wanted"]
        unit = {"share": f"{value * 100:.0f} %", "s": f"{value:g} s"}.get(
            entry["unit"], f"{value:g} ×"
        )
        met = {True: "yes", False: "**no**", None: "not measured"}[entry["met"]]
        lines.append(
            f"| {entry['what']} | {bound} {unit} | {amount(entry['measured'], entry['unit'])} "
            f"| {met} | {entry['remark']} |"
        )
    return [*lines, ""]


def figure_rows(figures: list[dict[str, Any]]) -> list[str]:
    """Each kernel on each shape; ``×`` is to its forward's time."""
    lines = [
        "| kernel | maps | variant | ms | TFLOP/s | of the matrix product |",
        "|---|---|---|---|---|---|",
    ]
    for figure in figures:
        variant = f" {figure['variant']} " if figure["variant"] else " "
        start = f"| {figure['name']} | {figure['shape']} |{variant}"
        if figure["value"] is None:
            lines.append(f"{start}| | | not taken: {figure['why_not']} |")
            continue
        rate = "" if figure["tflops"] is None else f"{figure['tflops']:.0f}"
        lines.append(
            f"{start}| {milliseconds(figure['seconds']['median'])} | {rate} "
            f"| {amount(figure['value'], figure['unit'])} |"
        )
    return [*lines, ""]


def refusal(data: dict[str, Any]) -> str | None:
    """Why a file's figures may not stand in a document; None where they may."""
    if data["machine"].get("emulated"):
        return "made under an emulator, where times mean nothing"
    if data.get("quick"):
        return "made with --quick, at sizes that say nothing"
    if not data.get("complete", True):
        return "the run did not come to its end"
    if data["uncommitted_changes"] is not False or data["commit"] is None:
        return "made from a checkout with uncommitted changes (or none)"
    return None


def section(name: str, data: dict[str, Any]) -> str:
    """One file's heading, provenance and tables."""
    machine = ", ".join(f"{key} {value}" for key, value in data["machine"].items())
    return "\n".join(
        [
            f"### {data['machine'].get('gpu', data['machine']['processor'])}",
            "",
            f"`{data['command']}` at commit `{data['commit'][:10]}`, {data['made']}; {machine}. "
            f"File: [{name}](../{name}).",
            "",
            *(ceiling_rows(data["ceilings"]) if "ceilings" in data else []),
            *(target_rows(data["targets"]) if "targets" in data else []),
            *(figure_rows(data["figures"]) if data.get("figures") else []),
            *(rows(data["results"]) if data["results"] else []),
            "",
            *ratio_rows(data["ratios"]),
        ]
    )


def read(file: Path, results: Path) -> dict[str, Any]:
    """A file's content.

    Raises:
        SystemExit: its figures may not be rendered.
    """
    data: dict[str, Any] = json.loads(file.read_text())
    reason = refusal(data)
    if reason is not None:
        sys.exit(f"benchmarks/results/{file.relative_to(results)}: {reason}: not rendered")
    return data


def rendered(text: str, results: Path = RESULTS) -> str:
    """The page with its blocks made anew.

    Raises:
        SystemExit: a file's figures may not be rendered.
    """
    sections: dict[str, list[str]] = {kind: [] for kind in EMPTY}
    # Of one machine the kernels come before the comparisons.
    files = sorted(results.glob("*/*.json"), key=lambda f: (f.parent, f.name != "kernels.json", f))
    for file in files:
        data = read(file, results)
        name = f"benchmarks/results/{file.relative_to(results)}"
        sections["gpu" if "gpu" in data["machine"] else "cpu"].append(section(name, data))
    for kind, parts in sections.items():
        text = filled(text, f"rendered {kind}", ["", "\n\n".join(parts) or EMPTY[kind], ""])
    return text


def front(text: str, results: Path = RESULTS) -> str:
    """The README with its table of speeds made anew."""
    return filled(text, "speed", speed_table(lambda name: read(results / name, results)))


if __name__ == "__main__":
    sys.exit(max(write_or_check(PAGE, rendered), write_or_check(README, front)))

"""Writes the table of pairs of Python and torch in docs/release.md: ``render_pairs.py [--check]``.

It stands between the markers, and comes from benchmarks/pairs, which ``tools/try_pair.py`` wrote,
and from pyproject.toml, which says what is promised; ``--check`` fails where the page and the files
differ.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from pages import filled, write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "release.md"
FOLDER = ROOT / "benchmarks" / "pairs"
#: As in tools/try_pair.py, which a test holds.
PARTS = ("doctor", "library", "application")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

Result = dict[str, Any]


def results() -> list[Result]:
    """One entry for each file, by Python, then torch, then what it was built against."""
    found = [json.loads(file.read_text()) for file in FOLDER.glob("*.json")]
    return sorted(
        found, key=lambda r: [numbers(r[k]) for k in ("python", "torch", "built_against")]
    )


def numbers(version: str) -> list[int]:
    """``2.10.0+cu128`` as ``[2, 10, 0]``: in the order of releases."""
    return [int(n) for n in re.findall(r"\d+", version.split("+")[0])]


def minor(version: str) -> str:
    """``2.10.0`` as ``2.10``."""
    return ".".join(str(n) for n in numbers(version)[:2])


def table(found: list[Result]) -> list[str]:
    """A row for each trial."""
    lines = [
        f"| Python | torch | built against | {' | '.join(PARTS)} | date |",
        "|---|" + "---|" * 6,
    ]
    for result in found:
        parts = {part["name"]: part for part in result["parts"]}
        built = (
            "the same" if result["built_against"] == result["torch"] else result["built_against"]
        )
        cells = [cell(parts.get(name)) for name in PARTS]
        versions = [result["python"], result["torch"], built]
        date = max(part["made"] for part in parts.values())[:10]
        lines.append(f"| {' | '.join([*versions, *cells, date])} |")
    return lines


def cell(part: dict[str, Any] | None) -> str:
    """What came of one part; one that was not run says so."""
    if part is None or not (part["passed"] or part["failed"]):
        return "not run"
    if part["name"] == "doctor":
        return "passed" if part["passed"] else "**failed**"
    failed = f"**{part['failed']} failed**, " if part["failed"] else ""
    return f"{failed}{part['passed']} passed, {part['skipped']} skipped"


def failures(found: list[Result]) -> list[str]:
    """The names of tests that failed, each with its pair."""
    return [
        f"* Python {result['python']}, torch {result['torch']}, commit `{part['commit'][:10]}`: "
        f"`{name}`"
        for result in found
        for part in result["parts"]
        for name in part.get("failures", [])
    ]


def tried(found: list[Result]) -> list[str]:
    """The Pythons, as ``3.12``, whatever came out."""
    return list(dict.fromkeys(minor(result["python"]) for result in found))


def missing(found: list[Result]) -> list[str]:
    """Promised pairs that were not tried.

    Promised is every Python of the wheels, tried with the oldest torch and the newest.
    """
    pairs = {(minor(result["python"]), minor(result["torch"])) for result in found}
    wheels = PROJECT["tool"]["cibuildwheel"]["build"]
    pythons = [re.sub(r"cp(\d)(\d+)-\*", r"\1.\2", name) for name in wheels]
    (needed,) = (line for line in PROJECT["project"]["dependencies"] if line.startswith("torch"))
    newest = max((result["torch"] for result in found), key=numbers)
    torches = dict.fromkeys((minor(needed), minor(newest)))
    return [
        f"{python} with {torch}"
        for python in pythons
        for torch in torches
        if (python, torch) not in pairs
    ]


def rendered(text: str) -> str:
    """The page with its table made anew."""
    found = results()
    lines = ["", *table(found), ""]
    if failed := failures(found):
        lines += ["Failed:", "", *failed, ""]
    if untried := missing(found):
        lines += [f"Not tried (Python with torch): {', '.join(untried)}.", ""]
    return filled(text, "pairs", lines)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

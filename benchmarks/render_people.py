"""Writes the tables of docs/virtual_people.md: ``python benchmarks/render_people.py [--check]``.

Figures stand on that page only between the markers below, and only from benchmarks/people;
``--check`` fails where the page and the files differ.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "virtual_people.md"
FOLDER = ROOT / "benchmarks" / "people"


def libraries(data: dict[str, Any]) -> list[str]:
    """Who says which triangle a pixel shows, and how fast."""
    lines = ["| library | ms, least | ms, median |", "|---|---|---|"]
    for row in data["libraries"]:
        time = row["seconds"]
        lines.append(
            f"| {row['library']} | {1e3 * time['minimum']:.1f} | {1e3 * time['median']:.1f} |"
        )
    return lines


def pictures(data: dict[str, Any]) -> list[str]:
    """Whole pictures of each domain."""
    lines = ["| domain | median height, pixels | ms, least | ms, median |", "|---|---|---|---|"]
    for row in data["pictures"]:
        time = row["seconds"]
        lines.append(
            f"| {row['domain']} | {row['height']:.0f} | {1e3 * time['minimum']:.1f} "
            f"| {1e3 * time['median']:.1f} |"
        )
    return lines


def by_domain(data: dict[str, Any]) -> list[str]:
    """Within each domain, by method: Rank-1 and mAP."""
    names = list(dict.fromkeys(figure["query"] for figure in data["figures"]))
    lines = [f"| Rank-1 / mAP within | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for method in dict.fromkeys(figure["method"] for figure in data["figures"]):
        own = {
            f["query"]: f"{100 * f['rank1']:.1f} / {100 * f['mAP']:.1f}"
            for f in data["figures"]
            if f["method"] == method and f["query"] == f["gallery"]
        }
        lines.append(f"| {method} | {' | '.join(own.get(name, '–') for name in names)} |")
    return lines


#: Marker on the page -> file of FOLDER and the function that makes its table.
TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "libraries": ("rendering.json", libraries),
    "pictures": ("rendering.json", pictures),
    "real": ("real.json", by_domain),
}


def rendered(text: str) -> str:
    """The page with its tables made anew."""
    for name, (file, table) in TABLES.items():
        lines = table(json.loads((FOLDER / file).read_text()))
        marker = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if not marker.search(text):
            sys.exit(f"{PAGE.relative_to(ROOT)}: got no markers for {name}")
        body = "\n".join(["", *lines, "", f"File: [{file}](../benchmarks/people/{file})", "", ""])
        text = marker.sub(lambda match, body=body: match[1] + body + match[2], text)
    return text


def main() -> int:
    """Render, or with ``--check`` only compare."""
    text = PAGE.read_text()
    new = rendered(text)
    if "--check" in sys.argv[1:]:
        if new != text:
            print(f"{PAGE.relative_to(ROOT)} differs from the files: run {Path(__file__).name}")
        return int(new != text)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())

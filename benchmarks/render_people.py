"""Writes the tables of docs/virtual_people.md: ``python benchmarks/render_people.py [--check]``.

Figures stand on that page only between the markers below, and only from benchmarks/people;
``--check`` fails where the page and the files differ.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pages import filled, write_or_check

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


def images(data: dict[str, Any]) -> list[str]:
    """Whole images of each domain: all of them, and the tall ones."""
    lines = [
        "| domain | images | median height, pixels | ms, least | ms, median |",
        "|---|---|---|---|---|",
    ]
    for row in data["pictures"]:
        time, kind = row["seconds"], "" if row["kind"] == "all" else f", {row['kind']} ones"
        lines.append(
            f"| {row['domain']}{kind} | {row['pictures']} | {row['height']:.0f} "
            f"| {1e3 * time['minimum']:.1f} | {1e3 * time['median']:.1f} |"
        )
    return lines


Figures = list[dict[str, Any]]


def by_place(data: dict[str, Any]) -> list[str]:
    """Within the domain of training, within others and across domains, by method."""
    trained_on = {name for run in data["runs"] for name in run["train"]}
    domains = {figure["query"] for figure in data["figures"]}
    others = "the others" if domains & trained_on else ", ".join(sorted(domains))
    places: dict[str, Callable[[dict[str, Any]], bool]] = {
        f"within {', '.join(sorted(trained_on))}": lambda f: (
            f["query"] == f["gallery"] and f["query"] in trained_on
        ),
        f"within {others}": lambda f: f["query"] == f["gallery"] not in trained_on,
        "across domains": lambda f: f["query"] != f["gallery"],
    }
    places = {name: of for name, of in places.items() if any(map(of, data["figures"]))}
    lines = [f"| Rank-1 / mAP | {' | '.join(places)} |", "|---|" + "---|" * len(places)]
    for method, runs in methods(data).items():
        cells = [
            cell([[f for f in figures if of(f)] for figures in runs]) for of in places.values()
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def methods(data: dict[str, Any], variant: str = "plain") -> dict[str, list[Figures]]:
    """The figures by method, of images as a variant has them; runs of several seeds are one."""
    names: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for run in data["runs"]:
        name = names[f"run {run['name']}"] = f"trained, {run['sampler']['kind']} sampler"
        rest = {key: value for key, value in run.items() if key not in ("name", "seed")}
        if settings.setdefault(name, rest) != rest:
            sys.exit(f"run {run['name']}: got other settings than the others of its sampler")
    found: dict[str, dict[str, Figures]] = {}
    for figure in data["figures"]:
        if figure.get("variant", "plain") != variant:
            continue
        # A baseline on the maps of a run is called after it: "stripes, run x".
        kind, comma, source = figure["method"].rpartition(", ")
        name = kind + comma + names.get(source, source)
        found.setdefault(name, {}).setdefault(figure["method"], []).append(figure)
    return {
        name if len(runs) == 1 else f"{name}, {len(runs)} seeds": list(runs.values())
        for name, runs in found.items()
    }


def cell(runs: list[Figures]) -> str:
    """Mean over domains and over seeds, and the least and the greatest seed's."""

    def over_seeds(measure: str) -> str:
        means = [100 * sum(f[measure] for f in figures) / len(figures) for figures in runs]
        spread = f" ({min(means):.1f}–{max(means):.1f})" if len(means) > 1 else ""
        return f"{sum(means) / len(means):.1f}{spread}"

    return f"{over_seeds('rank1')} / {over_seeds('mAP')}"


def by_variant(data: dict[str, Any]) -> list[str]:
    """A column for each variant of the images of one domain, a row for each method."""
    variants = list(dict.fromkeys(figure["variant"] for figure in data["figures"]))
    names = {variant: methods(data, variant) for variant in variants}
    lines = [f"| Rank-1 / mAP | {' | '.join(variants)} |", "|---|" + "---|" * len(variants)]
    for method in names[variants[0]]:
        cells = [cell(names[variant][method]) for variant in variants]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def conclusion() -> str:
    """What a reader should take away, in three sentences, with the figures of the tables."""

    def load(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((FOLDER / name).read_text())
        return found

    def trained(data: dict[str, Any], variant: str, kind: str = "") -> dict[bool, float]:
        """MAP of the trained matcher, or of a baseline on its maps: within, and across."""
        found = [
            figure
            for figure in data["figures"]
            if figure["variant"] == variant and figure["method"].startswith(f"{kind}run ")
        ]
        means = {}
        for within in (True, False):
            values = [f["mAP"] for f in found if (f["query"] == f["gallery"]) is within]
            if values:
                means[within] = 100 * sum(values) / len(values)
        return means

    new, old, small = load("real.json"), load("real_generation_2.json"), load("small.json")
    gains = {v: trained(new, v)[True] - trained(old, v)[True] for v in _REAL}
    ahead, stripes = trained(small, "plain"), trained(small, "plain", "stripes, ")
    within, across = (ahead[place] - stripes[place] for place in (True, False))
    return (
        "On real crops as they are, training on generation 3 changes the mAP by "
        f"{gains['plain']:+.1f} against generation 2 at equal cost; with boxes shaken by a tenth "
        f"by {gains['shaken=0.1']:+.1f}, by a fifth by {gains['shaken=0.2']:+.1f}, with a third "
        f"hidden by {gains['hidden=0.33']:+.1f} (3 seeds; eight persons of one video). On the "
        "virtual test sets the trained matcher leaves the stripes of the same maps behind by "
        f"{within:.1f} mAP within domains and {across:.1f} across. All virtual figures are "
        "**synthetic**: they compare methods, and do not say how many of your people will be "
        "found."
    )


#: Variants of the real crops in `conclusion`.
_REAL = ("plain", "shaken=0.1", "shaken=0.2", "hidden=0.33")

#: Marker on the page -> file of FOLDER and the function that makes its table.
TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "libraries": ("rendering.json", libraries),
    "images": ("images.json", images),
    "difficulty": ("small.json", by_place),
    "real": ("real.json", by_variant),
    "finer": ("real_256.json", by_place),
    "real-2": ("real_generation_2.json", by_variant),
    "difficulty-2": ("small_generation_2.json", by_place),
}


def rendered(text: str) -> str:
    """The page with its tables made anew."""
    for name, (file, table) in TABLES.items():
        data = json.loads((FOLDER / file).read_text())
        origin = (
            f"`{data['command']}` at commit `{data['commit'][:10]}`, {data['made'][:10]}, "
            f"{data['machine']['processor']}. File: [{file}](../benchmarks/people/{file})"
        )
        text = filled(text, name, ["", *table(data), "", origin, ""])
    return filled(text, "conclusion", textwrap.wrap(conclusion(), 112))


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

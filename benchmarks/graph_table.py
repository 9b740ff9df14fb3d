"""Writes the cost of the graph into docs/study.md: ``python benchmarks/render_graph.py [--check]``.

From benchmarks/study/graph_cost.json and only between the markers; ``--check`` fails where the page
and the file differ.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pages import write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "study.md"
FILE = ROOT / "benchmarks" / "study" / "graph_cost.json"
MARKER = re.compile(r"(<!-- graph: begin -->\n).*?(<!-- graph: end -->)", re.DOTALL)
PLAIN = ", plain PyTorch"


def costs(run: dict[str, Any]) -> dict[str, float]:
    """Processor seconds of each part, and of epochs of as many batches as there are classes."""
    parts = {part["what"]: part["processor_seconds"] for part in run["parts"]}
    network, count = parts["network step"], run["classes"]
    for kind in ("", PLAIN):
        graph = parts["features"] + parts[f"distances{kind}"]
        parts[f"graph epoch{kind}"] = graph + count * (network + parts[f"triplet step{kind}"])
        parts[f"memory epoch{kind}"] = count * (network + parts[f"class memory step{kind}"])
    return parts


def table(data: dict[str, Any]) -> list[str]:
    """A column for each number of classes."""
    runs = data["runs"]
    found = [costs(run) for run in runs]
    short = [next(p for p in run["parts"] if p["what"] == "shortlist") for run in runs]
    channels, rows, columns = data["shape"]

    def line(name: str, cells: list[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |"

    def pairs(what: str, form: str) -> list[str]:
        return [f"{c[what]:{form}} / {c[what + PLAIN]:{form}}" for c in found]

    return [
        f"Processor seconds; maps of {channels} channels, {rows}×{columns} locations, batches of "
        f"{data['batch']}; two figures: our kernels / plain PyTorch.",
        "",
        line("classes", [f"{run['classes']:,}" for run in runs]),
        f"|---|{'---|' * len(runs)}",
        line("graph: features of an image each", [f"{c['features']:.1f}" for c in found]),
        line("graph: distances of all pairs", pairs("distances", ".1f")),
        line(
            "the same by a shortlist (recall of the 31 nearest)",
            [f"{part['processor_seconds']:.1f} ({100 * part['recall']:.0f} %)" for part in short],
        ),
        line("a step of the network", [f"{c['network step']:.2f}" for c in found]),
        line("a step of matcher and hard triplet", pairs("triplet step", ".3f")),
        line("a step of matcher and class memory", pairs("class memory step", ".2f")),
        line("epoch of graph sampling", pairs("graph epoch", ".0f")),
        line("as many steps of the class memory", pairs("memory epoch", ".0f")),
        line(
            "the class memory's time by graph sampling's",
            [
                f"{c['memory epoch'] / c['graph epoch']:.1f} / "
                f"{c['memory epoch' + PLAIN] / c['graph epoch' + PLAIN]:.1f}"
                for c in found
            ],
        ),
    ]


def rendered(text: str) -> str:
    """The page with its table made anew."""
    data = json.loads(FILE.read_text())
    machine = data["machine"]
    block = "\n".join(
        [
            *table(data),
            "",
            f"`{data['command']}` at commit `{data['commit'][:10]}`, {data['made'][:10]}, "
            f"{machine['processor']}, {machine['threads']} thread"
            f"{'s' if machine['threads'] > 1 else ''}. An epoch has as many batches as there are "
            "classes; its time is added up from the rows above. Distances by plain PyTorch are "
            "those of a block, times their number.",
        ]
    )
    if not MARKER.search(text):
        sys.exit(f"{PAGE.relative_to(ROOT)}: got no markers for graph")
    return MARKER.sub(lambda match: f"{match[1]}{block}\n{match[2]}", text)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

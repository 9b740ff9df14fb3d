"""What the graph and a step of each loss cost, as a table of docs/study.md.

From benchmarks/study/graph_cost.json, which ``graph_cost.py`` writes; ``render_study.py`` puts it
there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["costs", "graph_table"]

FILE = Path(__file__).resolve().parent / "study" / "graph_cost.json"
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


def _table(data: dict[str, Any]) -> list[str]:
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


def graph_table() -> list[str]:
    """All that the page says of the file."""
    data = json.loads(FILE.read_text())
    machine = data["machine"]
    return [
        *_table(data),
        "",
        f"`{data['command']}` at commit `{data['commit'][:10]}`, {data['made'][:10]}, "
        f"{machine['processor']}, {machine['threads']} thread"
        f"{'s' if machine['threads'] > 1 else ''}. An epoch has as many batches as there are "
        "classes; its time is added up from the rows above. Distances by plain PyTorch are "
        "those of a block, times their number.",
    ]

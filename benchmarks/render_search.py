"""Writes the tables of docs/search.md: ``python benchmarks/render_search.py [--check]``.

Figures stand on that page only between its markers, and only from benchmarks/search; ``--check``
fails where the page and the files differ.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from pages import filled, write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "search.md"
FOLDER = ROOT / "benchmarks" / "search"
#: Lower ends of the rows of the table of probes.
_STEPS = (0.55, 0.40, 0.0)


def source(name: str, data: dict[str, Any]) -> str:
    """Where a table's figures are from."""
    machine = data["machine"]
    return (
        f"[{name}](../benchmarks/search/{name}): `{data['command']}` at commit "
        f"`{data['commit'][:10]}`, {data['made'][:10]}, {machine['processor']}, "
        f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}."
    )


def scale(data: dict[str, Any]) -> list[str]:
    """Time and memory of a search."""
    channels, rows, columns = data["shape"]
    lines = [
        f"{data['rows']:,} random maps of {channels} channels, {rows}×{columns} locations; "
        f"{data['scored']:,} of them are scored.",
        "",
        "| what | median s | at most s | times |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {part['what']} | {part['median']:.2f} | {part['maximum']:.2f} | {part['times']} |"
        for part in data["parts"]
    ]
    return [*lines, f"| memory of the process at its most | {data['peak_gib']:.2f} GiB | | |"]


def shortlist(found: Sequence[dict[str, Any]]) -> list[str]:
    """What shortlists keep: virtual people as a mean over runs and domains, real crops as one."""
    groups = {
        "virtual people": [entry for entry in found if not is_real(entry)],
        "real crops": [entry for entry in found if is_real(entry)],
    }
    heads = []
    for name, entries in groups.items():
        queries, rows = (sorted({entry[what] for entry in entries}) for what in ("queries", "rows"))
        heads.append(f"{name}, {span(queries)} queries in {span(rows)} images")
    lines = [f"| shortlist | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for share in found[0]["kept"]:
        cells = [
            f"{100 * mean(entry['kept'][share]['ten'] for entry in entries):.1f} % "
            f"({100 * mean(entry['kept'][share]['first'] for entry in entries):.1f} %)"
            for entries in groups.values()
        ]
        lines.append(f"| {100 * float(share):.0f} % | {' | '.join(cells)} |")
    return lines


def probe(found: Sequence[dict[str, Any]]) -> list[str]:
    """How mAP went with what a probe tells."""
    lines = [
        "| agreement | sets | mAP, least to greatest | mean |",
        "|---|---|---|---|",
    ]
    upper = 1.01
    for lower in _STEPS:
        inside = [entry["mAP"] for entry in found if lower <= entry["agreement"] < upper]
        if inside:
            least, most = 100 * min(inside), 100 * max(inside)
            lines.append(
                f"| {lower:.2f} to {min(upper, 1):.2f} | {len(inside)} "
                f"| {least:.0f} to {most:.0f} % | {100 * mean(inside):.0f} % |"
            )
        upper = lower
    kinds = {
        "all": found,
        "images as they are": [entry for entry in found if entry["variant"] == "plain"],
        "virtual people": [entry for entry in found if not is_real(entry)],
        "real crops": [entry for entry in found if is_real(entry)],
    }
    lines += [
        "",
        "| rank correlation with mAP | sets | agreement | distance to training, negated |",
        "|---|---|---|---|",
    ]
    for name, entries in kinds.items():
        truth = [entry["mAP"] for entry in entries]
        cells = [
            f"{rank_correlation([sign * entry[what] for entry in entries], truth):.2f}"
            for what, sign in (("agreement", 1), ("distance", -1))
        ]
        lines.append(f"| {name} | {len(entries)} | {' | '.join(cells)} |")
    runs = sorted({entry["run"] for entry in found})
    within = [
        rank_correlation([e["agreement"] for e in own], [e["mAP"] for e in own])
        for own in ([entry for entry in found if entry["run"] == run] for run in runs)
    ]
    return [
        *lines,
        "",
        f"Within one of the {len(runs)} runs the agreement's is {min(within):.2f} to "
        f"{max(within):.2f}.",
    ]


def calibration(found: Sequence[dict[str, Any]]) -> list[str]:
    """What a calibration by camera gains."""
    own = [entry for entry in found if entry["own"]]
    gains = [entry["log_loss"] - entry["log_loss_by_camera"] for entry in own]
    before, after = (
        mean(entry[name] for entry in own) for name in ("log_loss", "log_loss_by_camera")
    )
    pairs, better = span(sorted({entry["own"] for entry in own})), sum(gain > 0 for gain in gains)
    return [
        f"On virtual people that were not fitted on, {len(own)} fits with {pairs} pairs of cameras "
        f"on their own: log loss at even odds {before:.4f} with that of all, {after:.4f} by "
        f"camera; better in {better}, the best by {max(gains):.4f}, the worst by {min(gains):.4f}.",
    ]


def is_real(entry: dict[str, Any]) -> bool:
    """Whether a set of the study was filmed, not drawn."""
    return str(entry["data"]) == "vtest_reid"


def span(numbers: Sequence[int]) -> str:
    """Sorted numbers as a reader has them."""
    ends = dict.fromkeys((numbers[0], numbers[-1]))
    return " to ".join(f"{number:,}" for number in ends)


def rank_correlation(some: Sequence[float], others: Sequence[float]) -> float:
    """Spearman's, of equal numbers the mean rank."""
    x, y = (ranks(values) for values in (some, others))
    mx, my = mean(x), mean(y)
    covariance = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    spread = (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5
    return covariance / spread


def ranks(values: Sequence[float]) -> list[float]:
    """From 0 on."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
        for value in values
    ]


def rendered(text: str) -> str:
    """The page with its tables made anew."""
    large, study, cameras = (
        json.loads((FOLDER / f"{name}.json").read_text()) for name in ("scale", "study", "cameras")
    )
    about = source("study.json", study)
    told = {
        "scale": [*scale(large), "", source("scale.json", large)],
        "shortlist": [*shortlist(study["shortlist"]), "", about],
        "probe": [*probe(study["probe"]), "", about],
        "calibration": [
            *calibration(cameras["calibration"]),
            "",
            source("cameras.json", cameras),
        ],
    }
    for name, lines in told.items():
        text = filled(text, name, ["", *lines, ""])
    return text


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, rendered))

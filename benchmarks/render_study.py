"""Writes the tables of studies into their pages: ``python benchmarks/render_study.py [--check]``.

Figures stand on the pages only between the markers below, and only from benchmarks/study;
``--check`` fails where a page and the files differ. A file is the ``study.json`` of `qaconv study`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from graph_table import graph_table
from pages import filled, write_or_check
from sampling_figure import ARMS, bars

from qaconv_reid.recipes.study.figure import figure

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "study"

#: Page -> its markers, each the name of a file of FOLDER or of `_OTHERS`.
PAGES = {
    ROOT / "docs" / "presets.md": ("arms", "arms-100", "arms-100-long", "arms-real"),
    ROOT / "docs" / "study.md": (
        "sampling-8000-cpu",
        "sampling-8000-memory",
        "sampling-8000-time",
        "sampling-8000-h100",
        "sampling-600-cpu",
        "sampling-600-one",
        "mechanism",
        "graph",
    ),
    ROOT / "README.md": ("headline",),
}
#: Of the arms with 600 identities, and of how batches are drawn; both on the domain named here.
FIGURE = ROOT / "docs" / "images" / "study.svg"
SAMPLING = ROOT / "docs" / "images" / "sampling.svg"
_UNSEEN = "campus"
#: The groups of the second: file, identities, what it is called.
_GROUPS = (
    ("sampling-600-one", 600, "600 people of one domain"),
    ("sampling-600-cpu", 600, "600 people of three domains"),
    ("sampling-8000-cpu", 8000, "8,000 people of three domains"),
)
#: Arms of the README's table, and what a reader knows them as.
_KNOWN = {
    "qaconv-1.2": "class memory, the paper's competitive baseline (QAConv 1.2)",
    "qaconv-2.1": "graph sampling, the paper (QAConv-GS 2.1)",
    "pk-2.1": "PK batches, the paper's loss",
    "bot": "softmax and triplet on pooled vectors (*Bag of Tricks*)",
    "people": "PK batches, pairwise loss (preset `people`)",
}


def read(name: str) -> dict[str, Any]:
    """A file of results."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def percent(spread: dict[str, float], *, alone: bool) -> str:
    """The mean of some seeds, with the least and the greatest of them."""
    mean, low, high = (100 * spread[name] for name in ("mean", "least", "greatest"))
    return f"{mean:.1f}" if alone else f"{mean:.1f} ({low:.1f}–{high:.1f})"


def comparisons(data: dict[str, Any], identities: int) -> tuple[list[str], dict[str, Any]]:
    """The test sets, and for each arm that has some its comparisons by their names."""
    rows = [row for row in data["comparisons"] if row["identities"] == identities]
    found = {
        arm: {row["dataset"]: row for row in rows if row["arm"] == arm} for arm in data["arms"]
    }
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    return datasets, {arm: by_name for arm, by_name in found.items() if by_name}


def table(data: dict[str, Any], identities: int) -> list[str]:
    """MAP of every arm on every test set, and how far it is from the baseline."""
    datasets, by_arm = comparisons(data, identities)
    compared = is_compared(by_arm)
    caption = (
        f"{identities or 'All'} training identities, {data['images']:,} images seen. "
        "Rank-1 / mAP, mean of the seeds and the least and the greatest of them"
    )
    if compared:
        caption += (
            f"; Δ: mAP beside *{data['baseline']}*, ± half of the 95 % interval by the paired "
            "bootstrap over identities"
        )

    def row_of(arm: str, seeds: str, cells: list[tuple[str, str]]) -> str:
        kept = [text for cell in cells for text in (cell if compared else cell[:1])]
        return f"| {arm} | {seeds} | {' | '.join(kept)} |"

    before = [data["untrained"][name] for name in datasets]
    lines = [
        f"{caption}.",
        "",
        row_of("arm", "seeds", [(name, "Δ") for name in datasets]),
        "|---|---|" + "---|" * len(datasets) * (2 if compared else 1),
        row_of(
            "untrained",
            "",
            [(f"{100 * it['rank1']:.1f} / {100 * it['mAP']:.1f}", "") for it in before],
        ),
    ]
    for arm, found in by_arm.items():
        cells = []
        for name in datasets:
            row = found[name]
            alone = len(row["seeds"]) == 1
            value = f"{100 * row['rank1']['mean']:.1f} / {percent(row['mAP'], alone=alone)}"
            cells.append((value, beside_baseline(row)))
        lines.append(row_of(arm, str(len(next(iter(found.values()))["seeds"])), cells))
    return lines


def is_compared(by_arm: dict[str, Any]) -> bool:
    """Whether any arm stands beside the baseline."""
    return any("mAP_over_baseline" in row for found in by_arm.values() for row in found.values())


def beside_baseline(row: dict[str, Any]) -> str:
    """How far the mAP is from the baseline's; empty for that one itself."""
    change = row.get("mAP_over_baseline")
    if change is None:
        return ""
    low, high = change["interval"]
    return f"{100 * change['value']:+.1f} ± {50 * (high - low):.1f}"


def batches(data: dict[str, Any], identities: int) -> list[str]:
    """What the batches of each arm were made of, and how well they were mastered at the end."""
    lines = [
        "What the batches of the last part were made of; mean of the seeds.",
        "",
        "| arm | batch accuracy | hard gap | scale | look-alike pairs | same-camera pairs "
        "| effective classes | graph's share of the time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm in data["arms"]:
        last = [
            cell["points"][-1]
            for cell in data["cells"]
            if (cell["arm"], cell["identities"]) == (arm, identities)
        ]
        if not last:
            continue

        def mean(name: str, last: list[dict[str, Any]] = last) -> float | None:
            known = [point[name] for point in last if point[name] is not None]
            return sum(known) / len(known) if known else None

        def shown(value: float | None, form: str) -> str:
            return "–" if value is None else format(value, form)

        shares = [
            shown(None if mean(name) is None else 100 * mean(name), ".1f") + " %"
            for name in ("look_alike_pairs", "same_camera_pairs")
        ]
        accuracy = shown(100 * (mean("accuracy") or 0), ".0f")
        lines.append(
            f"| {arm} | {accuracy} % | {shown(mean('gap'), '+.2f')} "
            f"| {shown(mean('scale'), '.2f')} | {' | '.join(shares)} "
            f"| {shown(mean('effective_classes'), '.2f')} "
            f"| {shown(100 * (mean('graph_share') or 0), '.0f')} % |"
        )
    return lines


def times(data: dict[str, Any], identities: int) -> list[str]:
    """How long each arm trained, and when it was as good as the baseline ever was.

    By processor time where all runs have it, for a CPU is rarely one run's alone.
    """
    datasets, by_arm = comparisons(data, identities)
    rows = [row for found in by_arm.values() for row in found.values()]
    busy = not data["machine"].get("gpu") and all("processor_seconds" in row for row in rows)
    what, measure = ("Processor seconds", "processor_seconds") if busy else ("Seconds", "seconds")
    lines = [
        f"{what} of training, and until the mean curve came to the best mAP of "
        f"*{data['baseline']}*.",
        "",
        f"| arm | all | {' | '.join(datasets)} |",
        f"|---|---|{'---|' * len(datasets)}",
    ]
    for arm, found in by_arm.items():
        cells = []
        for name in datasets:
            seconds = found[name].get(f"{measure}_to_baseline", "")
            cells.append("never" if seconds is None else f"{seconds:.0f}" if seconds else "")
        spent = next(iter(found.values()))[measure]["mean"]
        lines.append(f"| {arm} | {spent:.0f} | {' | '.join(cells)} |")
    return lines


def troubles(data: dict[str, Any], identities: int) -> list[str]:
    """Runs in which nothing was learnt any more, which count with the others, and lost ones."""
    lines = []
    for cell in data["cells"]:
        if cell["identities"] == identities and cell["collapsed"]:
            lines.append(f"* {cell['arm']}, seed {cell['seed']}, collapsed: {cell['collapsed']}")
    for cell in data["unfinished"]:
        if cell["identities"] == identities:
            images = cell["points"][-1]["images"] if cell["points"] else 0
            lines.append(
                f"* {cell['arm']}, seed {cell['seed']}, not finished, {images:,} images seen"
            )
    return [*lines, ""] if lines else []


def origin(data: dict[str, Any], name: str) -> str:
    """Where the figures come from."""
    return (
        f"`{data['command']}` at commit `{(data['commit'] or 'unrecorded')[:10]}`, "
        f"{data['made'][:10]}, "
        f"{data['machine'].get('gpu') or data['machine']['processor']}, "
        f"{len(data['cells'])} of {data['cells_wanted']} runs. "
        f"File: [{name}.json](../benchmarks/study/{name}.json)"
    )


def real(data: dict[str, Any]) -> list[str]:
    """Runs of a study on another data set: of every arm the mean, the least and the greatest."""
    before = data["untrained"]
    lines = [
        f"{data['about']} mAP: mean of the seeds and the least and the greatest of them.",
        "",
        "| arm | seeds | Rank-1 | mAP |",
        "|---|---|---|---|",
        f"| untrained | | {100 * before['rank1']:.1f} | {100 * before['mAP']:.1f} |",
    ]
    for arm, runs in data["runs"].items():
        rank1 = sum(run["rank1"] for run in runs) / len(runs)
        precisions = [run["mAP"] for run in runs]
        mean = sum(precisions) / len(runs)
        spread = {"mean": mean, "least": min(precisions), "greatest": max(precisions)}
        cells = f"{100 * rank1:.1f} | {percent(spread, alone=len(runs) == 1)}"
        lines.append(f"| {arm} | {len(runs)} | {cells} |")
    return lines


def curves(data: dict[str, Any]) -> list[str]:
    """How far runs came that were stopped: at each look the accuracy on the first test set."""
    runs = data["unfinished"]
    (dataset,) = runs[0]["points"][0]["tests"]
    looks = [f"{point['images']:,}" for point in runs[0]["points"]]
    lines = [
        f"Rank-1 / mAP on {dataset} after so many images; runs that were stopped by the clock.",
        "",
        f"| arm | {' | '.join(looks)} | seconds of training |",
        f"|---|{'---|' * len(looks)}---|",
    ]
    for run in runs:
        found = [point["tests"][dataset] for point in run["points"]]
        cells = [f"{100 * it['rank1']:.1f} / {100 * it['mAP']:.1f}" for it in found]
        lines.append(f"| {run['arm']} | {' | '.join(cells)} | {run['points'][-1]['seconds']:.0f} |")
    return lines


def body(data: dict[str, Any], name: str) -> list[str]:
    """All that a page says of a file."""
    if "runs" in data:
        file = f"[{name}.json](../benchmarks/study/{name}.json)"
        return ["", *real(data), "", f"`{data['command']}` for each run. File: {file}", ""]
    if not data["comparisons"]:
        return ["", *curves(data), "", origin(data, name), ""]
    lines = [""]
    for size in sorted({cell["identities"] for cell in data["cells"]}):
        lines += [*table(data, size), "", *batches(data, size), ""]
        if is_compared(comparisons(data, size)[1]):
            lines += [*times(data, size), ""]
        lines += troubles(data, size)
    return [*lines, origin(data, name), ""]


def headline() -> list[str]:
    """The README's table: the mean mAP of known arms on sets that were never seen."""
    arms, crops = read("arms"), read("arms-real")
    datasets, by_arm = comparisons(arms, 600)
    rows = {"untrained": [arms["untrained"][name]["mAP"] for name in datasets]}
    rows["untrained"].append(crops["untrained"]["mAP"])
    for arm, name in _KNOWN.items():
        own = [run["mAP"] for run in crops["runs"][arm]]
        rows[name] = [by_arm[arm][dataset]["mAP"]["mean"] for dataset in datasets]
        rows[name].append(sum(own) / len(own))
    seeds = len(next(iter(by_arm.values()))[datasets[0]]["seeds"])
    return [
        "",
        f"| mAP, {seeds} seeds | {' | '.join(datasets)} | real crops |",
        f"|---|{'---|' * len(datasets)}---|",
        *(
            f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |"
            for name, values in rows.items()
        ),
        "",
        at_scale(),
    ]


def at_scale() -> str:
    """What each way to draw batches comes to with 8,000 identities, in a sentence."""
    data = read("sampling-8000-cpu")
    _, by_arm = comparisons(data, 8000)
    rows = {arm: by_arm[arm][_UNSEEN] for arm in ARMS if arm in by_arm}
    (seeds,) = {seeds_of(row) for row in rows.values()}
    found = [
        f"{ARMS[arm][0]} **{100 * row['mAP']['mean']:.1f}**"
        + (f" ({change})" if (change := beside_baseline(row)) else "")
        for arm, row in rows.items()
    ]
    return (
        f"mAP on {_UNSEEN} with 8,000 identities of three domains, after {data['images']:,} "
        f"images, {seeds}: {'; '.join(found)}. In brackets: beside "
        f"{ARMS[data['baseline']][0]}, ± half of the 95 % interval."
    )


def seeds_of(row: dict[str, Any]) -> str:
    """How many there are."""
    count = len(row["seeds"])
    return f"{count} seed{'s' if count > 1 else ''}"


def beside_memory() -> list[str]:
    """The same runs, compared with the class memory."""
    name = "sampling-8000-memory"
    data = read(name)
    return ["", *table(data, 8000), "", origin(data, name), ""]


def time_beside_memory() -> list[str]:
    """Processor time of those that have it, and when they were as good as the class memory."""
    name = "sampling-8000-time"
    data = read(name)
    return ["", *times(data, 8000), "", origin(data, name), ""]


#: Markers of what is made of other files.
_OTHERS = {
    "headline": headline,
    "graph": graph_table,
    "sampling-8000-memory": beside_memory,
    "sampling-8000-time": time_beside_memory,
}


def render(names: tuple[str, ...], text: str) -> str:
    """A page with its tables made anew."""
    for name in names:
        file = FOLDER / f"{name}.json"
        if name not in _OTHERS and not file.is_file() and f"<!-- {name}: begin -->" not in text:
            continue  # a study that was not made yet
        other = _OTHERS.get(name)
        lines = body(json.loads(file.read_text()), name) if other is None else other()
        text = filled(text, name, lines)
    return text


if __name__ == "__main__":
    codes = [
        write_or_check(page, lambda text, names=names: render(names, text))
        for page, names in PAGES.items()
        if page.is_file()
    ]
    arms = read("arms")
    codes.append(write_or_check(FIGURE, lambda _: figure(arms, _UNSEEN, 600)))
    groups = [(title, read(name), identities) for name, identities, title in _GROUPS]
    codes.append(write_or_check(SAMPLING, lambda _: bars(groups, _UNSEEN)))
    sys.exit(max(codes))

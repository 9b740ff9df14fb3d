"""Scale and hard gap of a run's first batches, held and free: docs/images/scale.svg.

    python benchmarks/scale_figure.py --runs FOLDER    # from the runs, into a file
    python benchmarks/scale_figure.py                  # the figure from that file

A run is ``gap-SAMPLER-HELD`` below the folder, for example ``gap-pk-true``:
``qaconv train qaconv-2.1 sampler.kind=pk matcher.hold_scale=true schedule.epoch_images=320
schedule.kind=step schedule.step=99 schedule.max_epochs=30 runtime.collapse=tell`` with the network,
images and batch of the study ``arms``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid.reports import read_run_log

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "study" / "scale.json"
FIGURE = ROOT / "docs" / "images" / "scale.svg"

#: Sampler, whether the scale is held, what the figure says, color and dashes.
LINES = (
    ("pk", False, "PK, free", "#0072b2", "6 4"),
    ("graph", False, "graph, free", "#d55e00", "6 4"),
    ("pk", True, "PK, held", "#0072b2", ""),
    ("graph", True, "graph, held", "#d55e00", ""),
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 44, 96, 34, 40


def collect(folder: Path) -> dict[str, Any]:
    """What the logs of the runs say, epoch by epoch."""
    runs = []
    for sampler, held, *_ in LINES:
        log = read_run_log(folder / f"gap-{sampler}-{str(held).lower()}" / "metrics.jsonl")
        batches, points = 0, []
        for record in log:
            batches += record["steps"]
            # In units of the scale the gap is that of the maps; of no scale there is none.
            points.append(
                {"batches": batches, "scale": record["scale"], "gap": float(record["gap"])}
            )
        runs.append({"sampler": sampler, "held": held, "points": points})
    return {"runs": runs, **provenance("python benchmarks/scale_figure.py --runs FOLDER", "cpu")}


def panel(
    title: str, key: str, runs: Sequence[dict[str, Any]], left: int, low: float, high: float
) -> list[str]:
    """One of the two charts, from ``left`` on."""
    width = WIDTH // 2 - LEFT - RIGHT
    last = runs[0]["points"][-1]["batches"]

    def x(batches: float) -> float:
        return round(left + LEFT + width * batches / last, 1)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<text x="{left + LEFT}" y="18" font-weight="600" fill="#1d2327">{title}</text>',
        f'<text x="{x(last / 2)}" y="{HEIGHT - 6}" text-anchor="middle" '
        'fill="#59636b">batches</text>',
    ]
    steps = round((high - low) / 0.5)
    for step in range(steps + 1):
        value = low + 0.5 * step
        weight = "#8b959e" if value == 0 else "#d5dbe0"
        parts.append(
            f'<line x1="{x(0)}" x2="{x(last)}" y1="{y(value)}" y2="{y(value)}" stroke="{weight}"/>'
            f'<text x="{x(0) - 6}" y="{y(value) + 4}" text-anchor="end" fill="#59636b">'
            f"{value:g}</text>"
        )
    for part in range(4):
        parts.append(
            f'<text x="{x(last * part / 3)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" '
            f'fill="#59636b">{last * part // 3}</text>'
        )
    lowest = -1e9
    ends = sorted(
        (y(run["points"][-1][key]), run["sampler"], run["held"], run["points"]) for run in runs
    )
    for height, sampler, held, points in ends:
        name, color, dashes = next(
            look for kind, hold, *look in LINES if (kind, hold) == (sampler, held)
        )
        lowest = max(height, lowest + 14)
        line = " ".join(f"{x(p['batches'])},{y(p[key])}" for p in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>'
            f'<text x="{x(last) + 6}" y="{lowest + 4:.1f}" fill="{color}">{name}</text>'
        )
    return parts


def figure(data: dict[str, Any]) -> str:
    """Both charts, side by side, as SVG that stands alone."""
    title = "The matcher's scale and its hard gap with hard triplets, held and free"
    gaps = [p["gap"] for run in data["runs"] for p in run["points"]]
    scales = [p["scale"] for run in data["runs"] for p in run["points"]]
    parts = [
        *panel("scale (logit_bn.weight)", "scale", data["runs"], 0, _floor(scales), _ceil(scales)),
        *panel("hard gap of the batch", "gap", data["runs"], WIDTH // 2, _floor(gaps), _ceil(gaps)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{title}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _floor(values: Sequence[float]) -> float:
    return min(0.0, 0.5 * (min(values) // 0.5))


def _ceil(values: Sequence[float]) -> float:
    return 0.5 * (max(values) // 0.5 + 1)


def main() -> None:
    """Collect where runs are named, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.runs is not None:
        FILE.write_text(json.dumps(collect(arguments.runs), indent=1) + "\n")
    FIGURE.write_text(figure(json.loads(FILE.read_text())))


if __name__ == "__main__":
    main()

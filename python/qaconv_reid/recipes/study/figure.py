"""A figure of a study: mAP on a test set against images or seconds, a line for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

__all__ = ["figure"]

#: Of the plot itself; what stands to its right is as wide as the names of the arms.
_PLOT, _HEIGHT = 438, 360
_LEFT, _TOP, _BOTTOM = 52, 40, 44
#: Pixels of a bold letter, the widest of fonts in mind.
_LETTER = 8.2
#: Told apart without their colors too: by dashes, and by the names at their ends.
_LOOKS = (
    ("#0072b2", ""),
    ("#d55e00", "7 3"),
    ("#00805e", "2 3"),
    ("#a8467f", "10 3 2 3"),
    ("#8a6d00", "4 4"),
    ("#444c55", "1 4"),
    ("#8c2d04", "12 4"),
    ("#2b8cbe", "6 2 1 2"),
    ("#4d7a00", "9 2"),
    ("#7a0177", "3 1"),
)
_GAP = 15
_AXES = {"images": "images seen", "seconds": "seconds of training"}


def figure(
    found: Mapping[str, Any],
    dataset: str,
    identities: int,
    axis: Literal["images", "seconds"] = "images",
) -> str:
    """As SVG that stands alone, on white.

    Each line is the mean over the seeds, the band around it the least and the greatest of them. Of
    an arm without a finished run it is what the others have so far.

    Args:
        found: of `gather`.
        dataset: the test set.
        identities: training identities of the runs.
        axis: what the mAP is drawn against: images seen, or seconds of training.
    """
    lines = {
        arm: points
        for arm in found["arms"]
        if (points := _points(_runs(found, arm, identities), dataset, axis))
    }
    letters = max((len(f"{arm} 00.0") for arm in lines), default=0)
    width = round(_LEFT + _PLOT + 16 + _LETTER * max(letters, 12))
    many = f"{identities:,}" if identities else "all"
    what = _AXES[axis]
    title = f"{dataset}: mAP (%) by {what}, {many} training identities"
    parts = [
        f'<text x="{_LEFT}" y="20" font-size="15" font-weight="600" fill="#1d2327">'
        f"{escape(title)}</text>"
    ]
    if lines:
        parts += _drawn(lines, what)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


Point = tuple[float, float, float, float]
"""Images or seconds; mean, least and greatest mAP in per cent."""

Runs = Sequence[Mapping[str, Any]]


def _runs(found: Mapping[str, Any], arm: str, identities: int) -> Runs:
    for cells in (found["cells"], found["unfinished"]):
        of_arm = [it for it in cells if (it["arm"], it["identities"]) == (arm, identities)]
        runs = [it for it in of_arm if it["points"]]
        if runs:
            return runs
    return []


def _points(runs: Runs, dataset: str, axis: str) -> list[Point]:
    curves = [
        [
            (point[axis], 100 * point["tests"][dataset]["mAP"])
            for point in run["points"]
            if dataset in point["tests"]
        ]
        for run in runs
    ]
    points = []
    for at_once in zip(*curves, strict=False):  # where one is shorter, as far as all go
        places, values = zip(*at_once, strict=True)
        mean = sum(values) / len(values)
        points.append((sum(places) / len(places), mean, min(values), max(values)))
    return points


def _drawn(lines: Mapping[str, Sequence[Point]], what: str) -> list[str]:
    last = max(points[-1][0] for points in lines.values())
    low = 5 * int(min(p[2] for points in lines.values() for p in points) // 5)
    high = 5 * (int(max(p[3] for points in lines.values() for p in points) // 5) + 1)

    def x(images: float) -> float:
        return round(_LEFT + images / last * _PLOT, 1)

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = []
    for value in range(low, high + 1, 5 if high - low <= 40 else 10):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _PLOT}" y1="{y(value)}" y2="{y(value)}" '
            f'stroke="#d5dbe0"/><text x="{_LEFT - 8}" y="{y(value) + 4}" text-anchor="end" '
            f'fill="#59636b">{value}</text>'
        )
    for part in range(5):
        images = last * part / 4
        parts.append(
            f'<text x="{x(images)}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle" '
            f'fill="#59636b">{images:,.0f}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + _PLOT / 2}" y="{_HEIGHT - 8}" text-anchor="middle" '
        f'fill="#59636b">{what}</text>'
    )
    places = _apart([(y(points[-1][1]), arm) for arm, points in lines.items()])
    for number, (arm, points) in enumerate(lines.items()):
        color, dashes = _LOOKS[number % len(_LOOKS)]
        upper = [f"{x(p[0])},{y(p[3])}" for p in points]
        lower = [f"{x(p[0])},{y(p[2])}" for p in reversed(points)]
        middle = " ".join(f"{x(p[0])},{y(p[1])}" for p in points)
        parts.append(
            f'<polygon points="{" ".join(upper + lower)}" fill="{color}" opacity="0.13"/>'
            f'<polyline points="{middle}" fill="none" stroke="{color}" stroke-width="2.2" '
            f'stroke-dasharray="{dashes}"/>'
            f'<text x="{x(points[-1][0]) + 8}" y="{places[arm] + 4:.1f}" fill="{color}" '
            f'font-weight="600">{escape(arm)} {points[-1][1]:.1f}</text>'
        )
    return parts


def _apart(wanted: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Heights of the names at the ends of the lines, moved until none covers another."""
    places: dict[str, float] = {}
    lowest = -float("inf")
    for height, name in sorted(wanted):
        lowest = places[name] = max(height, lowest + _GAP)
    return places

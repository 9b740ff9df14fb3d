"""The figure of how batches are drawn: mAP at the end of the longest studies, arm by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

#: Arms in their order, what a reader knows them as, and their colors.
ARMS = {
    "class memory": ("class memory", "#8a9299"),
    "PK batches": ("PK batches", "#d59a3a"),
    "PK of one set": ("PK batches, each of one domain", "#b5762a"),
    "graph sampling": ("graph sampling", "#0072b2"),
    "PK of one set then graph": ("PK of one domain each, then graph sampling", "#004d78"),
}
_LEFT, _BAR, _GAP, _TOP = 16, 22, 34, 58
#: Pixels of a bold letter, the widest of fonts in mind.
_LETTER = 7.8
#: Pixels of the greatest mAP, and beyond it for a name.
_LONGEST = 430


def bars(groups: Sequence[tuple[str, Mapping[str, Any], int]], dataset: str) -> str:
    """As SVG that stands alone, on white.

    A bar is the mean over the seeds, the line across its end from the least to the greatest.

    Args:
        groups: what a group is called, the study of `qaconv study`, and its training identities.
        dataset: the test set.
    """
    rows = [(title, _rows(study, identities, dataset)) for title, study, identities in groups]
    most = max(row["mAP"]["greatest"] for _, found in rows for row in found)
    (images,) = {study["images"] for _, study, _ in groups}  # others cannot be compared
    title = f"mAP on {dataset}, never seen, after {images:,} images (synthetic)"
    ends = (len(_told(row)) for _, found in rows for row in found)
    width = round(_LEFT + _LONGEST + 16 + _LETTER * max(ends))
    parts, y = [], _TOP
    for name, found in rows:
        parts.append(_text(_LEFT, y - 6, name, weight=600))
        for row in found:
            parts += _bar(row, y, _LONGEST / most)
            y += _BAR
        y += _GAP
    height = y - _GAP + 14
    head = _text(_LEFT, 24, title, size=15, weight=600)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{head}{"".join(parts)}</svg>\n'
    )


def _rows(study: Mapping[str, Any], identities: int, dataset: str) -> list[Mapping[str, Any]]:
    own = {
        row["arm"]: row
        for row in study["comparisons"]
        if (row["identities"], row["dataset"]) == (identities, dataset)
    }
    return [own[arm] for arm in ARMS if arm in own]


def _bar(row: Mapping[str, Any], y: int, scale: float) -> list[str]:
    _, color = ARMS[row["arm"]]
    mean, least, greatest = (scale * row["mAP"][key] for key in ("mean", "least", "greatest"))
    middle = y + (_BAR - 4) / 2
    weight = 600 if row["arm"] == "graph sampling" else 400
    return [
        f'<rect x="{_LEFT}" y="{y}" width="{mean:.1f}" height="{_BAR - 4}" fill="{color}"/>',
        f'<line x1="{_LEFT + least:.1f}" x2="{_LEFT + greatest:.1f}" y1="{middle}" y2="{middle}" '
        'stroke="#1d2327" stroke-width="2"/>',
        _text(_LEFT + greatest + 8, y + _BAR - 8, _told(row), weight=weight),
    ]


def _told(row: Mapping[str, Any]) -> str:
    seeds = len(row["seeds"])
    name = ARMS[row["arm"]][0]
    return f"{100 * row['mAP']['mean']:.1f}  {name}, {seeds} seed{'s' if seeds > 1 else ''}"


def _text(x: float, y: float, text: str, *, size: int = 13, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" fill="#1d2327" '
        f'xml:space="preserve">{escape(text)}</text>'
    )

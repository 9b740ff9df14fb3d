"""Line and area charts as SVG text, for a page: colors and writing are the page's own.

Classes say what a part is (``s0``, ``s1`` ... for the series); the page's style sheet gives them
their colors, light or dark, and their dashes, so that no series is told by its color alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Series", "line_chart", "stacked_chart"]

_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 34
#: As many series as the style sheet has looks for.
LOOKS = 8


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers along a common axis; None where there is none."""

    name: str
    values: Sequence[float | None]


class _Frame:
    """The rectangle of a chart, its axes, and where a point lies in it."""

    def __init__(self, xs: Sequence[float], low: float, high: float) -> None:
        self.first, self.last = (xs[0], xs[-1]) if xs[-1] > xs[0] else (xs[0] - 1, xs[0] + 1)
        self.step = _nice_step(high - low)
        self.low = math.floor(low / self.step + 1e-9) * self.step
        self.high = max(math.ceil(high / self.step - 1e-9) * self.step, self.low + self.step)

    def x(self, value: float) -> float:
        share = (value - self.first) / (self.last - self.first)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def axes(self, xs: Sequence[float], label: str) -> list[str]:
        """Lines across with their numbers, numbers below, and what they are."""
        parts = []
        lines = round((self.high - self.low) / self.step)
        for i in range(lines + 1):
            value = self.low + i * self.step
            y = self.y(value)
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            )
            parts.append(
                f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{_short(value)}</text>'
            )
        every = max(math.ceil(len(xs) / 8), 1)
        for x in xs[::every]:
            parts.append(
                f'<text x="{self.x(x)}" y="{_HEIGHT - _BOTTOM + 14}" '
                f'text-anchor="middle">{_short(x)}</text>'
            )
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{_HEIGHT - 4}" text-anchor="middle">{escape(label)}</text>'
        )
        return parts


def line_chart(
    title: str,
    xs: Sequence[float],
    series: Sequence[Series],
    *,
    x_label: str,
    low: float | None = None,
    high: float | None = None,
    ticks: Sequence[float] | None = None,
) -> str:
    """Lines over ``xs``, which ascend; a single point is a dot.

    Args:
        title: for those who do not see it.
        xs: at least one.
        series: each of as many values as ``xs``.
        x_label: below.
        low: where the upright axis begins; by default at the least value.
        high: where it ends.
        ticks: of the level axis, which goes from the first to the last; by default ``xs``.
    """
    known = [v for line in series for v in line.values if v is not None]
    least, most = (min(known), max(known)) if known else (0.0, 1.0)
    ticks = xs if ticks is None else ticks
    frame = _Frame(ticks, least if low is None else low, most if high is None else high)
    parts = frame.axes(ticks, x_label)
    for number, line in enumerate(series):
        look = f"s{number % LOOKS}"
        points = [
            (frame.x(x), frame.y(value))
            for x, value in zip(xs, line.values, strict=True)
            if value is not None
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        if len(points) > 1:
            parts.append(f'<polyline class="line {look}" points="{path}"/>')
        if len(points) <= 12:
            parts += [f'<circle class="dot {look}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in points]
    return _svg(title, parts)


def stacked_chart(
    title: str, xs: Sequence[float], series: Sequence[Series], *, x_label: str
) -> str:
    """Bars at ``xs``, whole numbers that ascend, of parts that together are at most 100."""
    frame = _Frame([xs[0] - 0.5, xs[-1] + 0.5], 0, 100)
    parts = frame.axes(xs, x_label)
    width = min(max(0.8 * (frame.x(xs[0] + 0.5) - frame.x(xs[0] - 0.5)), 0.5), 60)
    for column, x in enumerate(xs):
        base = 0.0
        for number, line in enumerate(series):
            value = line.values[column] or 0.0
            top, bottom = frame.y(base + value), frame.y(base)
            parts.append(
                f'<rect class="bar s{number % LOOKS}" x="{frame.x(x) - width / 2:.1f}" '
                f'y="{top}" width="{width:.1f}" height="{bottom - top:.1f}"/>'
            )
            base += value
    return _svg(title, parts)


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _nice_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, some four to eight of which make the span."""
    if not span > 0:
        return 1.0
    raw = span / 5
    power: float = 10.0 ** math.floor(math.log10(raw))
    return power * next(n for n in (1, 2, 5, 10) if n * power >= raw * 0.999)


def _short(value: float) -> str:
    return f"{value:.4g}".replace("-0", "0") if value == 0 else f"{value:.4g}"

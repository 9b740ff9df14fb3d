"""From the numbers of a report to its page: the one file that knows jinja2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from qaconv_reid.reports.html.album import Album
from qaconv_reid.reports.html.charts import LOOKS, Series, line_chart, stacked_chart
from qaconv_reid.text import printable

__all__ = ["render_page"]

_TEMPLATES = Path(__file__).parent / "templates"

#: What is drawn of the log: heading, key of a record, factor, unit, what it is.
_CURVES = (
    ("Loss", "loss", 1, "", "mean over the rows of the batches"),
    ("Batch accuracy", "accuracy", 100, "%", "rows that the loss takes for right"),
    ("Hard gap", "gap", 1, "", "hardest positive minus hardest negative, in units of the score"),
    ("Scale", "scale", 1, "", "weight of the matcher's last norm"),
    ("Validation mAP", "validation_mAP", 100, "%", "on identities held back"),
)


def render_page(data: Mapping[str, Any], album: Album) -> str:
    """The page as HTML.

    Args:
        data: of `qaconv_reid.recipes.report.gather`: every number of the page.
        album: the images that ``data`` names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, number=_number, interval=_interval, how=_how)
    template = environment.get_template("report.html.j2")
    return template.render(
        data=data,
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        curves=_curves(data["epochs"]),
        shares=_shares(data["epochs"]),
        cmc=_cmc(data["searches"]),
        reliability=_reliability(data["searches"]),
        looks=LOOKS,
        album=album,
    )


def _shown(value: object) -> object:
    """Names of files are shown, and turn no line around."""
    return printable(value) if type(value) is str else value


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * float(value):.{digits}f}"


def _interval(bounds: Sequence[float] | None) -> str:
    """An interval in per cent; runs of before there were any have none."""
    return "–" if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}"


def _how(entry: Mapping[str, Any]) -> str:
    """The data set of a result, and how it was measured where that is not the usual way."""
    parts = [str(entry["dataset"])]
    for key, usual in (("protocol", "market"), ("variant", "plain"), ("area", "plain")):
        value = entry.get(key, usual)
        parts += [] if value == usual else [str(value)]
    return ", ".join([*parts, *(["every crop"] if entry.get("every_crop") else [])])


def _number(value: object) -> str:
    """A number of a log in at most four digits; anything else as it is."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _curves(epochs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A chart of each figure that the log has."""
    charts = []
    xs = [record["epoch"] for record in epochs]
    for heading, key, factor, unit, meaning in _CURVES:
        values = [_finite(record.get(key), factor) for record in epochs]
        known = [value for value in values if value is not None]
        if not known:
            continue
        low, high = (0.0, 100.0) if unit == "%" else (None, None)
        told = f"{heading} by epoch: from {known[0]:.4g} to {known[-1]:.4g}{unit and ' ' + unit}"
        chart = line_chart(told, xs, [Series(heading, values)], x_label="epoch", low=low, high=high)
        heading = f"{heading} ({unit})" if unit else heading
        charts.append(
            {"heading": heading, "meaning": meaning, "svg": Markup(chart), "last": known[-1]}
        )
    return charts


def _shares(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What share of each epoch's time went where."""
    if not epochs:
        return None
    keys = [key for key in epochs[0] if key.endswith("_seconds")]
    series = []
    for key in keys:
        values = [
            (_finite(record.get(key), 100) or 0.0) / max(_finite(record["seconds"]) or 0.0, 1e-9)
            for record in epochs
        ]
        series.append(Series(key.removesuffix("_seconds"), values))
    rest = [max(100 - sum(part.values[i] or 0 for part in series), 0) for i in range(len(epochs))]
    series.append(Series("other", rest))
    told = "Share of an epoch's time, last epoch: " + ", ".join(
        f"{part.name} {part.values[-1] or 0:.0f} %" for part in series
    )
    chart = stacked_chart(told, [record["epoch"] for record in epochs], series, x_label="epoch")
    return {"svg": Markup(chart), "names": [part.name for part in series], "told": told}


def _cmc(searches: Sequence[Mapping[str, Any]], ranks: int = 20) -> dict[str, Any] | None:
    """The share of queries with a match among the first k, a line for each data set."""
    if not searches:
        return None
    series = [
        Series(search["dataset"], [100 * value for value in search["cmc"][:ranks]])
        for search in searches
    ]
    told = "Queries with a match among the first k: " + "; ".join(
        f"{line.name} {line.values[0]:.1f} % at 1, {line.values[-1]:.1f} % at {len(line.values)}"
        for line in series
    )
    xs = list(range(1, len(series[0].values) + 1))
    chart = line_chart(told, xs, series, x_label="rank k", low=0, high=100)
    return {"svg": Markup(chart), "names": [line.name for line in series], "told": told}


def _reliability(searches: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How often pairs of each probability are of one identity, a line for each data set."""
    known = [search for search in searches if search["reliability"]]
    found = {row["probability"] for it in known for row in it["reliability"]["bins"]}
    if not found:
        return None
    xs = sorted({0.0, 1.0} | found)
    series = [Series("as it should be", [100 * x for x in xs])]
    for search in known:
        shares = {row["probability"]: 100 * row["share"] for row in search["reliability"]["bins"]}
        series.append(Series(search["dataset"], [shares.get(x) for x in xs]))
    told = "Pairs of one identity by probability: " + "; ".join(
        f"{search['dataset']} is {100 * search['reliability']['error']:.1f} points off on the mean"
        for search in known
    )
    chart = line_chart(
        told,
        [100 * x for x in xs],
        series,
        x_label="probability (%)",
        low=0,
        high=100,
        ticks=range(0, 101, 20),
    )
    return {"svg": Markup(chart), "names": [line.name for line in series], "told": told}


def _finite(value: object, factor: float = 1) -> float | None:
    """A number of the log, which writes those that are not finite as text."""
    if value is None:
        return None
    number = float(value) * factor  # type: ignore[arg-type]
    return number if math.isfinite(number) else None

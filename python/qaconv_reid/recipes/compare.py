"""``qaconv compare``: two evaluated runs, query by query."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qaconv_ext import __version__
from qaconv_reid import data, evaluation
from qaconv_reid.config import ConfigError
from qaconv_reid.evaluation import Comparison, Difference
from qaconv_reid.files import replaced
from qaconv_reid.recipes.outputs import check_target
from qaconv_reid.recipes.query_file import QueryResults, read_queries
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.text import printable

__all__ = ["Compared", "compare"]


class Compared(NamedTuple):
    """What two runs made of the same queries."""

    first: QueryResults
    second: QueryResults
    comparison: Comparison


def compare(
    first: str,
    second: str,
    *,
    specs: Sequence[str] = (),
    changed: int = 10,
    file: Path | None = None,
    console: Console,
) -> list[Compared]:
    """Compare what two runs made of the queries that both were evaluated on.

    Args:
        first: the folder of a run, or a file that ``qaconv evaluate --csv`` wrote.
        second: as ``first``.
        specs: data sets, by name or as they were evaluated on; none takes all that both have.
        changed: queries to be shown of each, those whose average precision changed most.
        file: where the figures are written as JSON; None writes none.
        console: for the tables.

    Returns:
        One for each data set, protocol, area and way of scoring.

    Raises:
        ConfigError: one was not evaluated, or they have nothing in common.
    """
    if changed < 0:
        raise ConfigError(f"--changed: got {changed}, wanted 0 or more")
    if file is not None:
        check_target("--json", file)
    ones, others = (
        [it for it in read_queries(_file(run)) if not specs or _is_one_of(it, specs)]
        for run in (first, second)
    )
    found = [
        Compared(one, other, evaluation.compare(one.found, other.found, one.pids))
        for one, other in _pairs(ones, others)
    ]
    if not found:
        raise ConfigError(
            f"{second}: got no evaluation of the same queries as in {first}"
            f"{' on ' + ', '.join(specs) if specs else ''}, wanted one; evaluate both on one data "
            "set, by one protocol"
        )
    console.print(_table(found, f"{_name(first)} → {_name(second)} (%)"))
    for it in found:
        for line in _changes(it, changed):
            console.print(line, soft_wrap=True)
    if file is not None:
        content = {
            "version": __version__,
            "first": first,
            "second": second,
            "compared": [_as_dict(it) for it in found],
        }
        with replaced(file) as temporary:
            text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    return found


def _as_dict(it: Compared) -> dict[str, Any]:
    """The figures as plain values: shares from 0 to 1, None where a query is not counted."""
    before, after = it.first.found, it.second.found
    columns = (before.rank1, after.rank1, before.average_precision, after.average_precision)
    names = ("rank1_first", "rank1_second", "ap_first", "ap_second")
    queries = [
        {"query": query, **dict(zip(names, map(_number, values), strict=True))}
        for query, *values in zip(it.first.queries, *columns, strict=True)
    ]
    return {
        **it.first.kind._asdict(),
        "rank1": [float(np.nanmean(side.rank1)) for side in (before, after)],
        "mAP": [float(np.nanmean(side.average_precision)) for side in (before, after)],
        "rank1_difference": asdict(it.comparison.rank1),
        "mAP_difference": asdict(it.comparison.mAP),
        "gained": [it.first.queries[n] for n in it.comparison.gained],
        "lost": [it.first.queries[n] for n in it.comparison.lost],
        "queries": queries,
    }


def _number(value: np.float64) -> float | None:
    return None if math.isnan(value) else float(value)


def _file(run: str) -> Path:
    path = Path(run)
    if os.path.isfile(path):
        return path
    kept = RunFolder(path).evaluation_queries
    if not os.path.isfile(kept):
        raise ConfigError(
            f"{run}: got no run that was evaluated, wanted one, or a file of evaluate --csv"
        )
    return kept


def _name(run: str) -> str:
    return Path(run).resolve().name


def _is_one_of(results: QueryResults, specs: Sequence[str]) -> bool:
    root = Path(results.kind.root)
    for spec in specs:
        if spec == results.kind.dataset:
            return True
        place = data.parse_spec(spec).path.resolve()
        if place == root or place in root.parents:
            return True
    return False


def _pairs(
    ones: Sequence[QueryResults], others: Sequence[QueryResults]
) -> Iterator[tuple[QueryResults, QueryResults]]:
    for one in ones:
        fitting = [
            other
            for other in others
            if one.kind[2:] == other.kind[2:]
            and (one.kind.root == other.kind.root or one.kind.dataset == other.kind.dataset)
            and one.queries == other.queries
            and np.array_equal(one.pids, other.pids)
        ]
        # A data set may lie elsewhere by now; the same place counts more than the same name.
        fitting.sort(key=lambda other: one.kind.root != other.kind.root)
        if fitting:
            yield one, fitting[0]


def _table(found: Sequence[Compared], title: str) -> Table:
    # Narrow enough for a terminal of 80 columns: a row for each measure.
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("Data set", overflow="fold")
    for heading in ("Scores", "Measure"):
        table.add_column(heading, no_wrap=True)
    for heading in ("First", "Second", "Change", "±", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one, other, comparison in found:
        table.add_row(
            Text(printable(_title(one))),
            one.kind.scores,
            "Rank-1",
            *_cells(one.found.rank1, other.found.rank1, comparison.rank1),
        )
        precisions = one.found.average_precision, other.found.average_precision
        table.add_row("", "", "mAP", *_cells(*precisions, comparison.mAP))
    return table


def _title(results: QueryResults) -> str:
    _, _, protocol, area, _ = kind = results.kind
    special = [word for word, usual in ((protocol, "market"), (area, "plain")) if word != usual]
    return ", ".join((kind.dataset, *special))


def _cells(
    one: NDArray[np.float64], other: NDArray[np.float64], difference: Difference
) -> tuple[str, ...]:
    low, high = difference.interval
    return (
        f"{100 * np.nanmean(one):.1f}",
        f"{100 * np.nanmean(other):.1f}",
        f"{100 * difference.value:+.1f}",
        f"{50 * (high - low):.1f}",
        f"{difference.p_value:.4f}",
    )


def _changes(it: Compared, most: int) -> Iterator[Text]:
    """How many found another first, then those whose average precision changed most."""
    gained, lost = len(it.comparison.gained), len(it.comparison.lost)
    yield Text(
        f"{_title(it.first)}, {it.first.kind.scores}: "
        f"{gained} queries gained at Rank-1, {lost} lost"
    )
    gain = it.second.found.average_precision - it.first.found.average_precision
    size = np.nan_to_num(np.abs(gain))
    chosen = [n for n in np.argsort(-size, kind="stable")[:most].tolist() if size[n] > 0]
    if chosen:
        yield Text("average precision (%) changed most of")
    for number in chosen:
        before, after = (
            100 * float(side.found.average_precision[number]) for side in (it.first, it.second)
        )
        taken = it.first.taken_for[number], it.second.taken_for[number]
        told = f"{it.first.queries[number]}: {before:.1f} → {after:.1f}, taken for {taken[0]}" + (
            f", then {taken[1]}" if taken[0] != taken[1] else " by both"
        )
        yield Text(f"  {printable(told)}")

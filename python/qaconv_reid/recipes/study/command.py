"""The command: run what is missing, then show and keep what the study says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid.config import ConfigError
from qaconv_reid.data import DataError
from qaconv_reid.files import replaced
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images
from qaconv_reid.recipes.study.cells import is_finished, run_cells
from qaconv_reid.recipes.study.figure import figure
from qaconv_reid.recipes.study.plan import Cell, read_plan
from qaconv_reid.recipes.study.results import gather
from qaconv_reid.recipes.study.untrained import untrained

__all__ = ["study"]


def study(
    source: str,
    overrides: Sequence[str] = (),
    *,
    folder: Path | None = None,
    arms: Sequence[str] = (),
    identities: Sequence[int] = (),
    seeds: Sequence[int] = (),
    jobs: int = 1,
    console: Console,
) -> dict[str, Any]:
    """Run a study, or what is missing of it.

    Args:
        source: a study that comes with the package, or a TOML file.
        overrides: ``key=value`` for all runs: ``data.train=…`` and ``data.test=…`` at least.
        folder: of the study; by default ``studies/NAME``. It gets ``cells/``, ``study.json`` and a
            figure for each test set.
        arms: of the study, some only.
        identities: training identities, instead of the study's.
        seeds: instead of the study's.
        jobs: runs at a time.
        console: for the words.

    Returns:
        What ``study.json`` holds (`gather`), with its provenance.

    Raises:
        ConfigError, DataError: the study, a setting or a data set cannot be used; nothing has been
            run.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs: got {jobs}, wanted at least 1")
    plan = read_plan(source).only(arms, identities, seeds)
    folder = folder or Path("studies") / plan.name
    cells = plan.cells((folder / "cells").resolve(), overrides)
    facts = provenance(" ".join(("qaconv study", source, *overrides)), "cpu")
    _check(cells)
    missing = sum(not is_finished(cell) for cell in cells)
    console.print(
        f"{plan.name}: {len(cells)} runs of {plan.images:,} images, {missing} to be made, in "
        f"{folder}",
        markup=False,
    )

    facts["untrained"] = untrained(cells[0].config, folder / "untrained.json")

    def told(cell: Cell, failure: str | None) -> None:
        done = sum(map(is_finished, cells))
        what = "done" if failure is None else failure
        console.print(f"{done} of {len(cells)}: {cell.name}: {what}", markup=False, soft_wrap=True)
        _keep(folder, {**gather(plan, cells), **facts})

    run_cells(cells, jobs=jobs, told=told)
    found = {**gather(plan, cells), **facts}
    for count in plan.identities:
        for table in _tables(found, count):
            console.print(table)
    _keep(folder, found)
    console.print(f"figures in {folder / 'study.json'}", markup=False)
    if not all(map(is_finished, cells)):
        raise ConfigError(
            f"{plan.name}: not all runs were finished; the same command goes on with them"
        )
    return found


def _check(cells: Sequence[Cell]) -> None:
    """That every run could begin, before one does."""
    first = cells[0].config
    if not first.data.test:
        raise ConfigError("data.test: got no data set, wanted one, as data.test=PATH")
    load_test_sets(first.data.test)
    seen = set()
    for cell in cells:
        key = (cell.arm, cell.identities)
        if key not in seen and not is_finished(cell):
            seen.add(key)
            try:
                load_training_images(cell.config)
            except (ConfigError, DataError) as error:
                raise type(error)(f"{cell.name}: {error}") from None


def _keep(folder: Path, found: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"study.json": json.dumps(found, indent=1) + "\n"}
    sizes = {row["identities"] for row in found["comparisons"]}
    for dataset in {row["dataset"] for row in found["comparisons"]}:
        for size in sizes:
            files[f"{dataset}-{size}.svg"] = figure(found, dataset, size)
    for name, text in files.items():
        with replaced(folder / name.replace("/", "-")) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _tables(found: dict[str, Any], identities: int) -> list[Table]:
    tables = []
    rows = [row for row in found["comparisons"] if row["identities"] == identities]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        many = f"{identities:,}" if identities else "all"
        table = Table(
            title=f"{dataset}, {many} training identities (%)", box=box.SIMPLE_HEAD, show_edge=False
        )
        table.add_column("Arm", overflow="fold")
        for heading in ("Seeds", "Rank-1", "mAP", "least–greatest", "to baseline", "±", "Seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        before = found["untrained"][dataset]
        figures = (f"{100 * before[name]:.1f}" for name in ("rank1", "mAP"))
        table.add_row("untrained", "", *figures)
        for row in rows:
            if row["dataset"] == dataset:
                table.add_row(*_words(row))
        tables.append(table)
    return tables


def _words(row: dict[str, Any]) -> tuple[str, ...]:
    change = row.get("mAP_over_baseline")
    low, high = change["interval"] if change else (0.0, 0.0)
    return (
        row["arm"],
        str(len(row["seeds"])),
        f"{100 * row['rank1']['mean']:.1f}",
        f"{100 * row['mAP']['mean']:.1f}",
        f"{100 * row['mAP']['least']:.1f}–{100 * row['mAP']['greatest']:.1f}",
        f"{100 * change['value']:+.1f}" if change else "",
        f"{50 * (high - low):.1f}" if change else "",
        f"{row['seconds']['mean']:.0f}",
    )

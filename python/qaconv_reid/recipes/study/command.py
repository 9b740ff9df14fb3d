"""The command: run what is missing, then show and keep what the study says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid.build import find_hardware
from qaconv_reid.config import ConfigError
from qaconv_reid.data import DataError, Inspection
from qaconv_reid.files import replaced
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images
from qaconv_reid.recipes.interrupt import Interrupted
from qaconv_reid.recipes.study.cells import check_cell, is_finished, run_cells
from qaconv_reid.recipes.study.figure import figure
from qaconv_reid.recipes.study.plan import Cell, read_plan
from qaconv_reid.recipes.study.results import gather
from qaconv_reid.recipes.study.untrained import untrained
from qaconv_reid.reports import say

__all__ = ["study"]


def study(
    source: str,
    overrides: Sequence[str] = (),
    *,
    folder: Path | None = None,
    arms: Sequence[str] = (),
    identities: Sequence[int] = (),
    seeds: Sequence[int] = (),
    images: int | None = None,
    jobs: int = 1,
    console: Console,
) -> dict[str, Any]:
    """Run a study, or what is missing of it.

    Args:
        source: a study that comes with the package, or a TOML file.
        overrides: ``key=value`` for all runs: ``data.train=…`` and ``data.test=…`` at least.
        folder: of the study; by default ``studies/NAME``. It gets ``cells/``, ``study.json`` and
            figures for each test set.
        arms: whose runs are to be made now; what is there of the others is told as well.
        identities: training identities, instead of the study's.
        seeds: instead of the study's.
        images: that every run sees, instead of the study's.
        jobs: runs at a time.
        console: for the words.

    Returns:
        What ``study.json`` holds (`gather`), with its provenance.

    Raises:
        ConfigError, DataError: the study, a setting or a data set cannot be used, and nothing has
            been run; or not all runs were finished.
        Interrupted: SIGINT or SIGTERM came; the same command goes on.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs: got {jobs}, wanted at least 1")
    if images is not None and images < 1:
        raise ConfigError(f"--images: got {images}, wanted at least 1")
    plan = read_plan(source).only(identities, seeds, images)
    folder = folder or Path("studies") / plan.name
    cells = plan.cells((folder / "cells").resolve(), overrides)
    chosen = plan.chosen(arms, cells)
    options = {"identities": identities, "seeds": seeds, "images": (images,) if images else ()}
    given = [f"--{name} {','.join(map(str, what))}" for name, what in options.items() if what]
    missing = [cell for cell in chosen if not is_finished(cell)]
    inspection = Inspection()
    _check(cells, missing, inspection)
    say(
        console,
        f"{plan.name}: {len(cells)} runs of {plan.images:,} images, {len(missing)} to be made, in "
        f"{folder}",
    )
    facts = _facts(folder, " ".join(("qaconv study", source, *overrides, *given)), cells, missing)
    before = {"untrained": untrained(cells[0].config, folder / "untrained.json", inspection)}
    failures: dict[str, str] = {}

    def told(cell: Cell, failure: str | None) -> None:
        if failure is not None:
            failures[cell.name] = failure
        done = sum(map(is_finished, chosen))
        say(console, f"{done} of {len(chosen)}: {cell.name}: {failure or 'done'}")
        _keep(folder, {**gather(plan, cells, failures), **facts, **before})

    whole = run_cells(missing, jobs=jobs, facts=facts, told=told, notice=partial(say, console))
    found = {**gather(plan, cells, failures), **facts, **before}
    _keep(folder, found)
    _show(found, console)
    say(console, f"figures in {folder / 'study.json'}")
    if not whole:
        raise Interrupted(f"{plan.name}: stopped; the same command goes on")
    if not all(map(is_finished, chosen)):
        raise ConfigError(
            f"{plan.name}: not all runs were finished; the same command goes on with them"
        )
    return found


def _facts(
    folder: Path, command: str, cells: Sequence[Cell], missing: Sequence[Cell]
) -> dict[str, Any]:
    """Command, commit and machine; of the runs, where nothing is made and they are only shown."""
    device = find_hardware(cells[0].config.runtime).device
    facts = provenance(command, device.type)
    former = folder / "study.json"
    if missing or not former.is_file():
        return facts
    kept = json.loads(former.read_text(encoding="utf-8"))
    return {name: kept[name] for name in facts}


def _check(cells: Sequence[Cell], missing: Sequence[Cell], inspection: Inspection) -> None:
    """That every run could begin or go on, before one does, and that the others are of this study.

    Figures of finished runs are shown without their data sets.
    """
    for cell in cells:
        check_cell(cell)
    if not cells[0].config.data.test:
        raise ConfigError("data.test: got no data set, wanted one, as data.test=PATH")
    if missing:
        settings = missing[0].config.data
        load_test_sets(settings.test, settings=settings, inspection=inspection)
    for cell in {(cell.arm, cell.identities): cell for cell in missing}.values():
        try:
            load_training_images(cell.config, inspection=inspection)
        except (ConfigError, DataError) as error:
            raise type(error)(f"{cell.name}: {error}") from None


def _keep(folder: Path, found: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"study.json": json.dumps(found, indent=1) + "\n"}
    for dataset in found["untrained"]:
        for size in {cell["identities"] for cell in (*found["cells"], *found["unfinished"])}:
            files[f"{dataset}-{size}.svg"] = figure(found, dataset, size)
            files[f"{dataset}-{size}-seconds.svg"] = figure(found, dataset, size, axis="seconds")
    for name, text in files.items():
        with replaced(folder / name.replace("/", "-")) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _show(found: dict[str, Any], console: Console) -> None:
    """The tables, and what they do not have."""
    for identities in dict.fromkeys(row["identities"] for row in found["comparisons"]):
        for table in _tables(found, identities):
            console.print(table)
    for cell in found["cells"]:
        if cell["collapsed"]:
            say(console, f"collapsed: {cell['name']}: {cell['collapsed']}")
    for cell in found["unfinished"]:
        images = cell["points"][-1]["images"] if cell["points"] else 0
        why = cell["failure"] or "not finished"
        say(console, f"after {images:,} images: {cell['name']}: {why}")


def _tables(found: dict[str, Any], identities: int) -> list[Table]:
    tables = []
    rows = [row for row in found["comparisons"] if row["identities"] == identities]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        many = f"{identities:,}" if identities else "all"
        table = Table(
            title=f"{dataset}, {many} training identities (%)",
            caption=f"Δ: mAP beside {found['baseline']}, ± half of the 95 % interval; to best: "
            "seconds until a curve came to the best mAP of that one",
            box=box.SIMPLE_HEAD,
            show_edge=False,
        )
        table.add_column("Arm", overflow="fold")
        for heading in ("Seeds", "Rank-1", "mAP", "low–high", "Δ", "Sec.", "to best"):
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
        row["arm"] + (f", {len(row['collapsed'])} collapsed" if row["collapsed"] else ""),
        str(len(row["seeds"])),
        f"{100 * row['rank1']['mean']:.1f}",
        f"{100 * row['mAP']['mean']:.1f}",
        f"{100 * row['mAP']['least']:.1f}–{100 * row['mAP']['greatest']:.1f}",
        f"{100 * change['value']:+.1f} ±{50 * (high - low):.1f}" if change else "",
        f"{row['seconds']['mean']:.0f}",
        _when(row),
    )


def _when(row: dict[str, Any]) -> str:
    """Seconds until the arm's curve came to the baseline's best."""
    if "seconds_to_baseline" not in row:
        return ""
    seconds = row["seconds_to_baseline"]
    return "never" if seconds is None else f"{seconds:.0f}"

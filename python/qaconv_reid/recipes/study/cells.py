"""Runs the cells of a study: each an ordinary run, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from qaconv_reid.config import to_toml
from qaconv_reid.files import replaced
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.recipes.study.plan import Cell

__all__ = ["is_finished", "run_cells"]

Told = Callable[[Cell, str | None], None]
"""Of a cell that has ended, and why it did where it is not finished."""


def is_finished(cell: Cell) -> bool:
    """Whether the cell was trained to its end and evaluated."""
    return RunFolder(cell.folder).evaluation.is_file()


def run_cells(cells: Sequence[Cell], *, jobs: int, told: Told) -> None:
    """Run what is not finished; what was begun goes on where it stopped.

    Args:
        cells: in the order in which they are begun.
        jobs: processes at a time, which share the processor's cores.
        told: called as each ends.

    Raises:
        KeyboardInterrupt: the running cells have then kept where they stood.
    """
    waiting = [cell for cell in cells if not is_finished(cell)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (cores or 1) // jobs)
    running: dict[Future[str | None], Cell] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    cell = waiting.pop(0)
                    running[pool.submit(_run, cell, threads)] = cell
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    told(running.pop(future), future.result())
        except KeyboardInterrupt:
            # The terminal has told the processes as well: they keep what they have, and end.
            waiting.clear()
            wait(running)
            raise


def _run(cell: Cell, threads: int) -> str | None:
    """None where the cell is finished, else the last thing that its process said."""
    folder = cell.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    settings = folder.parent / f"{cell.name}.toml"
    with replaced(settings) as temporary:
        temporary.write_text(to_toml(cell.config), encoding="utf-8")
    begun = RunFolder(folder).config_file.is_file()
    command = [sys.executable, "-m", "qaconv_reid", "train"]
    command += [str(folder), "--resume"] if begun else [str(settings)]
    log = folder.parent / f"{cell.name}.log"
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            check=False,
        ).returncode
    return None if code == 0 else f"exit code {code}: {_last_line(log)} ({log})"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no word")

"""Runs the cells of a study: each an ordinary run, in a process of its own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaconv_reid.config import ConfigError, to_toml
from qaconv_reid.files import replaced
from qaconv_reid.processes import cores
from qaconv_reid.recipes.interrupt import stop_when_interrupted
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.recipes.study.plan import Cell
from qaconv_reid.reports import RunLog, read_run_log

__all__ = ["check_cell", "is_finished", "made", "run_cells"]

Told = Callable[[Cell, str | None], None]
"""Of a cell that has ended, and why it did where it is not finished."""

#: Seconds between two looks at whether a process has ended.
_LOOK = 0.2


def is_finished(cell: Cell) -> bool:
    """Whether the cell was trained to its end and evaluated."""
    return RunFolder(cell.folder).evaluation.is_file()


def check_cell(cell: Cell) -> None:
    """That what lies in the cell's folder, if anything does, is this run.

    Raises:
        ConfigError: it was begun with other settings.
    """
    folder = RunFolder(cell.folder)
    if folder.config_file.is_file():
        folder.check_same(cell.config)


def made(cell: Cell) -> list[dict[str, Any]]:
    """Where the cell was run: a record for each time that it was begun or gone on with."""
    path = _made(cell)
    return read_run_log(path) if path.is_file() else []


def run_cells(
    cells: Sequence[Cell],
    *,
    jobs: int,
    facts: Mapping[str, Any],
    told: Told,
    notice: Callable[[str], None],
) -> bool:
    """Run what is not finished; what was begun goes on where it stopped.

    SIGINT (Ctrl-C) and SIGTERM are passed on: the running cells keep where they stand and end, and
    no other is begun. A second one ends them at once.

    Args:
        cells: in the order in which they are begun.
        jobs: processes at a time, which share the processor's cores.
        facts: commit and machine, kept beside each cell.
        told: called as each ends.
        notice: told that a signal has come.

    Returns:
        Whether it went to its end.
    """
    waiting = [cell for cell in cells if not is_finished(cell)]
    threads = max(1, cores() // jobs)
    running: dict[subprocess.Popen[bytes], Cell] = {}

    stopped: set[int] = set()
    try:
        with stop_when_interrupted(notice) as interrupted:
            while running or (waiting and not interrupted()):
                while waiting and len(running) < jobs and not interrupted():
                    cell = waiting.pop(0)
                    try:
                        running[_start(cell, threads, facts)] = cell
                    except ConfigError as error:
                        told(cell, str(error))
                if interrupted():
                    for process in running:
                        if process.pid not in stopped:
                            stopped.add(process.pid)
                            process.terminate()
                for process in [one for one in running if one.poll() is not None]:
                    cell = running.pop(process)
                    failure = "stopped" if process.pid in stopped else _failure(cell)
                    told(cell, None if process.returncode == 0 else failure)
                time.sleep(_LOOK if running else 0)
            return not interrupted()
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _start(cell: Cell, threads: int, facts: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """The cell's process, which has a lock on its log while it lives.

    Raises:
        ConfigError: another process is at work on the cell: one that outlived its study, perhaps.
    """
    folder = cell.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _log(cell).open("a", encoding="utf-8") as log:
        try:
            # It belongs to the open file, which the process inherits as its output.
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another process is at work on it ({_log(cell)})") from None
        settings = folder.parent / f"{cell.name}.toml"
        with replaced(settings) as temporary:
            temporary.write_text(to_toml(cell.config), encoding="utf-8")
        with RunLog(_made(cell)) as records:
            records.append(facts)
        begun = RunFolder(folder).config_file.is_file()
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "qaconv_reid", "train"),
                *([str(folder), "--resume"] if begun else [str(settings)]),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            # Of no group that a terminal tells: the first signal must come once.
            process_group=0,
        )


def _log(cell: Cell) -> Path:
    return cell.folder.parent / f"{cell.name}.log"


def _made(cell: Cell) -> Path:
    return cell.folder.parent / f"{cell.name}.made.jsonl"


def _failure(cell: Cell) -> str:
    """The last thing that the cell's process said."""
    lines = _log(cell).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no word")
    return f"{last} ({_log(cell)})"

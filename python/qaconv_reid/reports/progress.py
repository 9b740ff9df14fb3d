"""Progress: bars in a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from qaconv_reid.reports.cost import duration
from qaconv_reid.reports.terminal import say

__all__ = ["ProgressBars"]

#: Between two lines where there is no terminal to draw bars in.
QUIET_SECONDS = 60.0


class ProgressBars:
    """A bar per thing that is being done, made when it is first heard of.

    Calling it fits the ``progress`` argument of evaluation and training. Where the console is not
    a terminal a line is printed every `QUIET_SECONDS` of something that goes on for longer.

        with ProgressBars() as progress:
            evaluate(..., progress=progress)

    Args:
        console: where to draw; standard error by default, so that results can be piped.
        quiet: nothing is drawn or printed.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._spoken = time.monotonic()
        self.console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._begun: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps of ``what`` are done.

        A bar starts again when it is told of fewer steps than before, as in the next epoch.
        """
        task = self._tasks.get(what)
        if task is None:
            task = self._tasks[what] = self._bars.add_task(what, total=total)
        elif done < self._done[what]:
            self._bars.reset(task)
        now = time.monotonic()
        if done < self._done.get(what, done + 1):
            # What was done when it was first heard of may have been done by an earlier process.
            self._begun[what] = now, done
        self._done[what] = done
        self._bars.update(task, completed=done, total=total)
        if not self.console.is_terminal and now - self._spoken >= QUIET_SECONDS:
            self.print(f"{what}: {done:,} of {total:,}{self._left(what, done, total, now)}")

    def _left(self, what: str, done: int, total: int, now: float) -> str:
        """The time that is left at the rate so far, in words; nothing while there is none."""
        begun, before = self._begun[what]
        if done == before:
            return ""
        return f", about {duration((now - begun) * (total - done) / (done - before))} left"

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        self._spoken = time.monotonic()
        if not self._quiet:
            say(self.console, line)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

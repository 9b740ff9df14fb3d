"""Runs steps, each with its own time limit, and keeps what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gpu_kit.pack import WORK

#: Less than this is no time to begin a step with.
LEAST_SECONDS = 3.0


@dataclass(frozen=True)
class Step:
    """A command, and when it counts as done."""

    name: str
    command: str
    """For bash, in the root of the tree."""
    limit: float
    """Seconds."""
    needs: tuple[str, ...] = ()
    """Steps that must have passed, where they are part of the run."""
    missing: str = ""
    """Why it cannot run here at all; empty where it can."""
    expected: bool = True
    """Whether a step that cannot run makes the whole fail."""
    gates: bool = True
    """Whether its failure makes the whole fail."""
    tells: str = ""
    """A pattern: the last line of its output that has it goes into the table."""
    wants: str = ""
    """A pattern that its output must have: a program that did nothing ends well too."""
    background: bool = False
    """Begins with the first step, and is waited for in its turn."""
    environment: dict[str, str] = field(default_factory=dict)
    asked: bool = False
    """Runs only where it is named."""


@dataclass
class Outcome:
    """What became of a step."""

    step: str
    result: str
    """``passed``, ``failed``, ``out of time`` or ``not run``."""
    seconds: float
    told: str = ""


class Runner:
    """Runs the steps in their order; a failure stops none of the later ones."""

    def __init__(self, out: Path, root: Path, environment: dict[str, str], seconds: float) -> None:
        self.out, self.root, self.environment = out, root, environment
        self.logs = root / WORK / "logs"
        self.end = time.monotonic() + seconds
        self.outcomes: list[Outcome] = []
        self._started: dict[str, tuple[subprocess.Popen[bytes], float]] = {}

    def run(self, steps: list[Step], chosen: set[str]) -> int:
        """0 where all is well. ``chosen``: what was asked for; other needs are taken as there."""
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for step in steps:
            if step.background and not step.missing:
                self._started[step.name] = self._start(step, step.limit)
        try:
            for step in steps:
                self._one(step, chosen)
        finally:
            for process, _ in self._started.values():
                _kill(process)
            self._pack_logs()
        return self._end(steps)

    def _one(self, step: Step, chosen: set[str]) -> None:
        passed = {outcome.step for outcome in self.outcomes if outcome.result == "passed"}
        lacking = [name for name in step.needs if name in chosen and name not in passed]
        left = self.end - time.monotonic()
        if step.missing:
            outcome = Outcome(step.name, "not run", 0.0, step.missing)
        elif lacking:
            outcome = Outcome(step.name, "not run", 0.0, f"{', '.join(lacking)} did not pass")
        elif left < LEAST_SECONDS:
            outcome = Outcome(step.name, "not run", 0.0, "the time was up")
        else:
            outcome = self._wait(step, min(step.limit, left))
        self.outcomes.append(outcome)
        print(_row(outcome), flush=True)
        self._save()

    def _start(self, step: Step, limit: float) -> tuple[subprocess.Popen[bytes], float]:
        """Begin a step, which can read in ``STEP_SECONDS`` after how many it will be ended."""
        with (self.logs / f"{step.name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", step.command],
                cwd=self.root,
                env={
                    **os.environ,
                    **self.environment,
                    **step.environment,
                    "STEP_SECONDS": str(int(limit)),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, to be ended as a whole
            )
        return process, time.monotonic()

    def _wait(self, step: Step, limit: float) -> Outcome:
        process, began = self._started.pop(step.name, None) or self._start(step, limit)
        try:
            code = process.wait(timeout=max(0.1, began + limit - time.monotonic()))
            result = "passed" if code == 0 else "failed"
        except subprocess.TimeoutExpired:
            result, code = "out of time", None
        finally:
            _kill(process)
        seconds = time.monotonic() - began
        text = (self.logs / f"{step.name}.log").read_text(errors="replace")
        if result == "passed" and step.wants and not re.search(step.wants, text, re.MULTILINE):
            result = "failed"
            return Outcome(step.name, result, seconds, f"its output has no {step.wants!r}")
        return Outcome(step.name, result, seconds, _told(step, text, code))

    def _save(self) -> None:
        data = json.dumps([asdict(outcome) for outcome in self.outcomes], indent=1)
        _replace(self.out / "steps.json", data + "\n")

    def _pack_logs(self) -> None:
        partial = self.out / "logs.tar.gz.part"
        with tarfile.open(partial, "w:gz") as archive:
            archive.add(self.logs, "logs")
        partial.replace(self.out / "logs.tar.gz")

    def _end(self, steps: list[Step]) -> int:
        table = "\n".join(_row(outcome) for outcome in self.outcomes)
        by_name = {step.name: step for step in steps}
        bad = []
        for outcome in self.outcomes:
            step = by_name[outcome.step]
            excused = outcome.result == "not run" and bool(step.missing) and not step.expected
            if outcome.result != "passed" and step.gates and not excused:
                bad.append(outcome.step)
        last = f"NOT WELL: {', '.join(bad)}" if bad else "all well"
        _replace(self.out / "table.txt", f"{table}\n{last}\n")
        print(f"\n{table}\n{last}; {self.out}", flush=True)
        return 1 if bad else 0


def _told(step: Step, text: str, code: int | None) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if step.tells and re.search(step.tells, line)]
    if code != 0 and not told:
        told = lines
    return told[-1][:160] if told else ""


def _row(outcome: Outcome) -> str:
    return (
        f"{outcome.step:20} {outcome.result:12} {outcome.seconds:6.1f} s  {outcome.told}".rstrip()
    )


def _replace(target: Path, text: str) -> None:
    partial = target.with_name(target.name + ".part")
    partial.write_text(text)
    partial.replace(target)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole session: children that it left behind too, whatever group they are in."""
    for pid in _session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _session(leader: int) -> list[int]:
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found

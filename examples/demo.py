"""``make demo``: from nothing to a table of results, on people that are drawn, not filmed.

Makes the virtual people of size ``small`` (four domains), measures how hard they are, trains the
matcher with graph sampling on one domain, evaluates it on the others, of which it has seen nothing,
and draws ranked lists. Everything is synthetic: the figures show that the machinery works and say
nothing of real cameras.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from qaconv_reid.cli import main as qaconv

FOLDER = Path(__file__).resolve().parents[1] / "build" / "demo"
#: Kept from one demo to the next: the same seed makes the same people.
PEOPLE = FOLDER / "people"
TRAINED_ON = "plaza"
OTHERS = ("station", "campus", "corridor")


def run(*arguments: str) -> None:
    """A command as a user would type it."""
    print(f"\n$ qaconv {' '.join(arguments)}", flush=True)
    started = time.perf_counter()
    code = qaconv(arguments)
    if code:
        sys.exit(code)
    print(f"({time.perf_counter() - started:.0f} s)", flush=True)


def main() -> None:
    """Train anew each time, so that the demo can be repeated."""
    started = time.perf_counter()
    trained = FOLDER / "plaza"
    shutil.rmtree(trained, ignore_errors=True)
    tests = [argument for name in OTHERS for argument in ("--data", str(PEOPLE / name))]
    run("data", "make", "small", "--out", str(PEOPLE))
    run("data", "check", str(PEOPLE / TRAINED_ON))
    run(
        *("train", "people", f"name={trained.name}", f"output={FOLDER}"),
        f"data.train={PEOPLE / TRAINED_ON}",
    )
    run("evaluate", str(trained), *tests, "--ranked", str(trained / "ranked"))
    run("data", "measure", str(PEOPLE), "people", "--run", str(trained))
    minutes = (time.perf_counter() - started) / 60
    print(f"\nSYNTHETIC people: not a result on real cameras. {minutes:.1f} minutes.")


if __name__ == "__main__":
    main()

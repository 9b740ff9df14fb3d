"""``make demo``: from nothing to a table of results, on people that are drawn, not filmed.

Makes the virtual people of size ``small`` (four domains; ``demo.py tiny`` for less), searches three
of the domains with the untrained matcher, trains it on the fourth, searches
again, draws ranked lists, fits probabilities on people it was not trained on, fills a gallery and
writes the report of it all, with before and after in one table. Everything is synthetic: the
figures show that the machinery works and say nothing of real cameras.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from qaconv_reid.cli import main as qaconv
from qaconv_reid.people import SIZES

FOLDER = Path(__file__).resolve().parents[1] / "build" / "demo"
#: Kept from one demo to the next: the same seed makes the same people.
PEOPLE = FOLDER / "people"
TRAINED_ON = "plaza"


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
    size = SIZES[sys.argv[1] if len(sys.argv) > 1 else "small"]
    people, trained = PEOPLE / size.name, FOLDER / TRAINED_ON
    shutil.rmtree(trained, ignore_errors=True)
    others = [name for name in size.domains if name != TRAINED_ON]
    tests = [argument for name in others for argument in ("--data", str(people / name))]
    run("data", "make", size.name, "--out", str(people))
    before = str(FOLDER / "before.json")
    run("evaluate", "people", "--untrained", *tests, "--json", before)
    run(
        *("train", "people", f"name={trained.name}", f"output={FOLDER}"),
        f"data.train={people / TRAINED_ON}",
    )
    run("evaluate", str(trained), *tests, "--ranked", str(trained / "ranked"))
    run("calibrate", str(trained), "--data", str(people / TRAINED_ON))
    gallery = trained / f"{others[0]}.safetensors"
    run("gallery", "add", str(trained), str(gallery), str(people / others[0]))
    run("report", str(trained), *tests, "--before", before)
    minutes = (time.perf_counter() - started) / 60
    print(f"\nSYNTHETIC people: not a result on real cameras. {minutes:.1f} minutes.")
    print(f"The report, with before and after: {trained / 'report.html'}")
    print(f"Search with a crop of your own:    qaconv serve {trained} {gallery}")


if __name__ == "__main__":
    main()

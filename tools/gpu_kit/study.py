"""Steps of ``make gpu-study``: virtual people are drawn, then 8,000 of them are trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gpu_kit.pack import WORK
from gpu_kit.runner import Step

#: Of a step's seconds, those in which a study that was told to stop writes what it has.
_TO_END = 25


@dataclass(frozen=True)
class Sizes:
    """How much is drawn and trained on."""

    train: str
    """Of `qaconv data make`, for the training domains."""
    test: str
    """For the unseen domain."""
    study: str
    """Of `qaconv study`."""
    workers: int
    jobs: int


FULL = Sizes(
    train="study --domains plaza,station,corridor --test 0",
    test="study --domains campus --train 0",
    study="",
    workers=os.cpu_count() or 1,
    # All arms at once: steps of a small network leave most of the card idle.
    jobs=3,
)
TINY = Sizes(
    train="tiny --domains plaza,station,corridor --test 0",
    test="tiny --domains campus --train 0 --test 4",
    study="model.height=32 model.width=16 sampler.batch_size=8 runtime.workers=0 "
    "runtime.device=cpu --identities 8 --images 128",
    workers=2,
    jobs=2,
)


def study_steps(python: str, *, missing: str, sizes: Sizes = FULL, work: Path = WORK) -> list[Step]:
    """Steps that run where they are named.

    Args:
        python: the interpreter.
        missing: why they cannot run here; empty where they can.
        sizes: other than the full ones for a rehearsal.
        work: where images and runs are kept from one call to the next. Figures and logs of the
            runs are copied to ``$OUT/study``; put together again below one folder ``cells``, the
            command of `qaconv study` shows those of several machines as one study.
    """
    qaconv = f"{python} -P -m qaconv_reid"
    people, others = work / "people", work / "others"
    train = ",".join(f'"{people}/{name}"' for name in ("plaza", "station", "corridor"))

    def study(name: str, arms: str, needs: tuple[str, ...]) -> Step:
        command = (
            f"timeout --foreground --signal=TERM $((STEP_SECONDS - {_TO_END})) "
            f"{qaconv} study sampling-8000 "
            f"'data.train=[{train}]' data.test={others}/campus {sizes.study} "
            f"--out {work}/study --jobs {sizes.jobs} --arms '{arms}'; code=$?; "
            f'mkdir -p "$OUT" && tar -C {work} --exclude=checkpoint --exclude=evaluation-work '
            '-cf - study | tar -C "$OUT" -xf -; exit $code'
        )
        return Step(
            name,
            command,
            540,
            needs=needs,
            missing=missing,
            tells=f"^ *{arms.split(',')[0]}|stopped|error",
            wants="figures in",
            asked=True,
        )

    draw = (
        f"{qaconv} data make {sizes.train} --out {people} --workers {sizes.workers} && "
        f"{qaconv} data make {sizes.test} --out {others} --workers {sizes.workers}"
    )
    return [
        Step("study-people", draw, 240, missing=missing, tells=" images", asked=True),
        study(
            "study",
            "graph sampling,PK of one set,PK of one set then graph",
            ("build", "study-people"),
        ),
        study("study-memory", "class memory,PK batches", ("build", "study-people")),
    ]

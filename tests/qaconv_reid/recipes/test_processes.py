"""The command in processes of its own: under torchrun, and killed at any moment."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from qaconv_reid.reports import read_run_log
from qaconv_reid.training import checkpoint
from support.images import write_person_folders

pytestmark = pytest.mark.recipe

#: Kills of `test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been`.
KILLS = int(os.environ.get("QACONV_KILLS", "4"))


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people")
    write_person_folders(root, persons=12, shots=4, height=64, width=32)
    return root


def settings(people, *more):
    return [
        "tiny",
        f"data.train=folder:{people}",
        "model.height=64",
        "model.width=32",
        "sampler.batch_size=8",
        "sampler.num_instances=2",
        "schedule.kind=step",
        *more,
    ]


#: The command, which tells how many threads of a group are left when the interpreter is to end.
TELLING = """
import atexit, os, pathlib, sys
from qaconv_reid.cli import main

def tell():
    names = [file.read_text() for file in pathlib.Path("/proc/self/task").glob("*/comm")]
    # In one piece: the processes share the pipe, and torchrun's do not gather what print is given.
    os.write(1, f"left: {sum('gloo' in name for name in names)}\\n".encode())

atexit.register(tell)
sys.exit(main())
"""


def start(folder, *arguments, ranks=0):
    program = ["-m", "qaconv_reid"]
    if ranks:
        telling = folder / "telling.py"
        telling.write_text(TELLING)
        program = ["-m", "torch.distributed.run", f"--nproc-per-node={ranks}", str(telling)]
    return subprocess.Popen(
        [sys.executable, *program, "train", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def losses(folder):
    return [record["loss"] for record in read_run_log(folder / "metrics.jsonl")]


def test_torchrun_trains_the_run_of_one_process(people, tmp_path):
    arguments = settings(people, "schedule.max_epochs=2")
    assert finish(start(tmp_path, *arguments, "name=one"))[0] == 0
    code, output = finish(start(tmp_path, *arguments, "name=two", ranks=2))
    assert code == 0, output
    # Only the first one speaks.
    assert " ".join(output.split()).count("mobilenet_v2 on cpu, 2 processes") == 1
    assert "Warning" not in output
    # One that is left may abort the process as it ends.
    assert re.findall(r"left: (\d+)", output) == ["0", "0"]
    assert losses(tmp_path / "runs/two") == pytest.approx(losses(tmp_path / "runs/one"), rel=1e-3)


def test_an_error_of_one_process_ends_all_with_its_sentence(people, tmp_path):
    arguments = settings(people, "model.weights=absent.pth", "name=a")
    code, output = finish(start(tmp_path, *arguments, ranks=2))
    assert code != 0
    assert "qaconv: error: model.weights: got absent.pth" in output
    # The second to see it may be ended by torchrun before it can tell.
    assert set(re.findall(r"left: (\d+)", output)) == {"0"}
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(people, tmp_path):
    """Bit for bit, with a checkpoint after every batch: what a kill costs is a batch."""
    arguments = settings(people, "schedule.max_epochs=3", "runtime.checkpoint_minutes=0")
    started = time.monotonic()
    assert finish(start(tmp_path, *arguments, "name=whole"))[0] == 0
    took = time.monotonic() - started

    times = random.Random(5)
    resumed = []
    for _ in range(KILLS):
        there = (tmp_path / "runs/parts").exists()
        again = ["runs/parts", "--resume"] if there else [*arguments, "name=parts"]
        process = start(tmp_path, *again)
        # From the first batches, whatever the machine takes to get there, to well into the run.
        state = tmp_path / "runs/parts/checkpoint/state.json"
        before = state.stat().st_mtime_ns if state.exists() else 0
        while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.02)
        time.sleep(times.uniform(0, took / (2 * KILLS)))
        process.kill()
        resumed.append(process.wait() != 0)
        process.stdout.close()
    assert sum(resumed) >= min(KILLS, 3)  # that many were still running

    code, output = finish(start(tmp_path, "runs/parts", "--resume"))
    assert code == 0, output
    assert losses(tmp_path / "runs/parts") == losses(tmp_path / "runs/whole")
    whole, parts = (
        checkpoint.load(tmp_path / "runs" / name / "checkpoint") for name in ("whole", "parts")
    )
    for part in ("network", "matcher"):
        assert all(torch.equal(parts[part][name], value) for name, value in whole[part].items())
    assert not list((tmp_path / "runs/parts").rglob("*.tmp"))

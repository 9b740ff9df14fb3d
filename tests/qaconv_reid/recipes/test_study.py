"""A study: its grid, its runs, what it says of them, and going on after a stop."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest

from qaconv_reid import cli, people
from qaconv_reid.config import ConfigError
from qaconv_reid.people import Request
from qaconv_reid.recipes.study.figure import figure
from qaconv_reid.recipes.study.plan import read_plan, studies
from qaconv_reid.recipes.study.results import _reached
from qaconv_reid.reports import read_run_log

PLAN = """
name = "little"
baseline = "PK"
identities = [4, 8]
seeds = [0]
images = 160
points = 2
settings = [
    "model.backbone=mobilenet_v2", "model.neck_features=8", "model.height=32", "model.width=16",
    "sampler.batch_size=8", "sampler.num_instances=2", "runtime.workers=0",
]

[arms.PK]
preset = "pk-2.1"

[arms."class memory"]
preset = "qaconv-1.2"
settings = ["start.trials=0"]
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "little.toml"
    path.write_text(PLAN)
    return path


def test_the_grid(plan, tmp_path):
    cells = read_plan(str(plan)).cells(tmp_path, ["optimizer.learning_rate=0.002"])
    assert [cell.name for cell in cells] == [
        "pk-4-0",
        "class-memory-4-0",
        "pk-8-0",
        "class-memory-8-0",
    ]
    first, second = cells[0].config, cells[1].config
    assert (first.loss.kind, second.loss.kind) == ("triplet", "class_memory")
    for config in (first, second):
        assert config.data.identities == 4
        assert config.schedule.max_epochs * config.schedule.epoch_images == 160
        assert config.optimizer.learning_rate == 0.002
    other = read_plan(str(plan)).only([2], [5, 6])
    some = other.chosen(["PK"], other.cells(tmp_path))
    assert [cell.name for cell in some] == ["pk-2-5", "pk-2-6"]


def test_the_packaged_studies_can_be_begun(tmp_path):
    assert "sampling" in studies()
    for name in studies():
        assert read_plan(name).cells(tmp_path, ["data.train=a", "data.test=b"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('baseline = "PK"', 'baseline = "none"'), "baseline: got 'none', wanted one of PK, class"),
        (("[arms.PK]", '[arms."P,K"]\npreset = "pk-2.1"\n[arms.PK]'), "wanted names without"),
        (("points = 2", "points = 1"), "points: "),
        (('preset = "pk-2.1"', 'preset = "pk-2.2"'), "no preset of this name"),
        (("images = 160", "imagos = 160"), "images: "),
        (("identities = [4, 8]", "identities = []"), "identities: "),
        (("[arms.PK]", "[arms.PK"), "cannot be read as a study"),
    ],
)
def test_a_wrong_study_is_named(plan, tmp_path, change, said):
    plan.write_text(PLAN.replace(*change))
    with pytest.raises(ConfigError) as caught:
        read_plan(str(plan)).cells(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "a"], "--seeds: got 'a', wanted whole numbers, as 0,1,2"),
        (["--arms", "GS"], "--arms: got 'GS', wanted some of PK, class memory"),
        (["--jobs", "0"], "--jobs: got 0, wanted at least 1"),
        ([], "data.test: got no data set"),
    ],
)
def test_wrong_options_are_named_before_anything_is_run(
    plan, tmp_path, monkeypatch, capsys, options, said
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["study", str(plan), *options]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["little.toml"]


def test_where_a_curve_comes_to_a_value():
    curve = [(10.0, 0.2), (20.0, 0.4), (30.0, 0.3)]
    assert _reached(curve, 0.1) == 10
    assert _reached(curve, 0.3) == pytest.approx(15)
    assert _reached(curve, 0.5) is None
    assert _reached([], 0.5) is None


def test_the_names_in_a_figure_are_escaped():
    point = {"images": 8, "seconds": 2.0, "tests": {"a<b": {"mAP": 0.5}}}
    cell = {"arm": "x&y", "identities": 4, "points": [point, {**point, "images": 16}]}
    found = {"arms": ["x&y"], "cells": [cell], "unfinished": []}
    drawn = "".join(ElementTree.fromstring(figure(found, "a<b", 4)).itertext())
    assert "x&y 50.0" in drawn
    assert "images seen" in drawn
    drawn = ElementTree.fromstring(figure(found, "a<b", 4, axis="seconds"))
    assert "seconds of training" in "".join(drawn.itertext())
    # Of an arm that has no finished run, what its runs have so far.
    begun = {**found, "cells": [], "unfinished": [{**cell, "points": []}, cell]}
    assert figure(begun, "a<b", 4) == figure(found, "a<b", 4)
    nothing = {**found, "cells": []}
    assert "x&y" not in "".join(ElementTree.fromstring(figure(nothing, "a<b", 4)).itertext())


_PARTS = (("train", "plaza"), ("test", "station"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    people.make(Request("tiny", test=4), folder)
    return [f"data.{part}={folder}/{domain}" for part, domain in _PARTS]


def begin(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "qaconv_reid", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.recipe
def test_a_study_that_is_stopped_goes_on_and_ends_as_if_it_had_not_been(
    plan, data, tmp_path, capsys
):
    command = ["study", str(plan), *data, "runtime.checkpoint_minutes=0"]
    command += ["--out", str(tmp_path / "study"), "--jobs", "2"]
    process = begin(tmp_path, *command)
    cells = tmp_path / "study" / "cells"
    until = time.monotonic() + 120
    while not (cells / "pk-4-0/checkpoint/state.json").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, output
    assert "little: stopped; the same command goes on" in output
    begun = json.loads((tmp_path / "study" / "study.json").read_text())
    failures = {cell["name"]: cell["failure"] for cell in begun["unfinished"]}
    assert failures["pk-4-0"] == "stopped"
    assert not (cells / "pk-8-0").exists()
    made = len(begun["cells"])

    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert f"little: 4 runs of 160 images, {4 - made} to be made" in out
    assert "station, 8 training identities (%)" in out
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    assert found["unfinished"] == []
    assert len(found["cells"]) == 4
    assert 0 < found["untrained"]["station"]["mAP"] < 1
    for cell in found["cells"]:
        assert [point["images"] for point in cell["points"]] == [80, 160]
        last = cell["points"][-1]
        assert last["tests"]["station"] == cell["final"]["station"]
        assert 0 <= last["look_alike_pairs"] <= 1
        assert cell["collapsed"] is None
        times = 2 if cell["name"] in failures else 1
        assert [made["commit"] for made in cell["made"]] == [found["commit"]] * times
    rows = {(row["identities"], row["arm"]): row for row in found["comparisons"]}
    one, other = (rows[4, arm] for arm in ("PK", "class memory"))
    difference = other["mAP"]["mean"] - one["mAP"]["mean"]
    assert other["mAP_over_baseline"]["value"] == pytest.approx(difference, abs=1e-9)
    assert "mAP_over_baseline" not in one
    assert one["processor_seconds"]["least"] > 0
    assert {"seconds_to_baseline", "processor_seconds_to_baseline"} <= set(other)
    for name in ("station-8.svg", "station-8-seconds.svg"):
        ElementTree.parse(tmp_path / "study" / name)

    # The run that was stopped is the run that was not.
    alone = begin(tmp_path, "train", str(cells / "pk-4-0.toml"), f"output={tmp_path}/alone")
    output, _ = alone.communicate(timeout=120)
    assert alone.returncode == 0, output
    for name in ("loss", "accuracy", "station_mAP", "effective_classes"):
        parts, whole = (
            [record[name] for record in read_run_log(folder / "pk-4-0/metrics.jsonl")]
            for folder in (cells, tmp_path / "alone")
        )
        assert parts == whole

    # Nothing is to be made: figures are shown again without the pictures, and only of this study.
    shutil.move(tmp_path / "study", tmp_path / "carried")
    moved = [*command[:3], "data.test=nowhere", *command[4:5], "--out", str(tmp_path / "carried")]
    assert cli.main(moved) == 0
    shown = json.loads((tmp_path / "carried" / "study.json").read_text())
    assert shown == found
    assert cli.main([*moved[:5], "optimizer.momentum=0.5", *moved[5:]]) == 2
    assert "the run was begun with another optimizer.momentum" in capsys.readouterr().err


BROKEN = """
name = "broken"
baseline = "broken"
identities = [4]
seeds = [0]
images = 480
points = 2
settings = [
    "model.backbone=mobilenet_v2", "model.neck_features=8", "model.height=32", "model.width=16",
    "sampler.batch_size=4", "sampler.num_instances=2", "runtime.workers=0",
]

[arms.broken]
preset = "pk-2.1"
settings = ["optimizer.learning_rate=0.05", "matcher.hold_scale=false"]

[arms.failing]
preset = "pk-2.1"
settings = ["model.weights=absent.pth"]
"""


@pytest.mark.recipe
def test_runs_that_collapse_or_fail_are_told_and_kept(data, tmp_path, capsys):
    (tmp_path / "broken.toml").write_text(BROKEN)
    command = ["study", str(tmp_path / "broken.toml"), *data, "--out", str(tmp_path / "study")]
    assert cli.main([*command, "--jobs", "2"]) == 2
    out = capsys.readouterr().out
    assert "collapsed: broken-4-0: the loss stands at its margin" in out
    assert "after 0 images: failing-4-0: qaconv: error: model.weights: got absent.pth" in out
    assert re.search(r"broken, 1\s+collapsed", out)
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    (cell,), (failed,) = found["cells"], found["unfinished"]
    assert "the loss stands at its margin" in cell["collapsed"]
    assert cell["final"]["station"]["mAP"] == cell["points"][-1]["tests"]["station"]["mAP"]
    assert failed["points"] == []
    assert found["comparisons"][0]["collapsed"] == [0]

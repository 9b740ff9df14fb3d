"""A study: its grid, its runs, what it says of them, and going on after a stop."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from rich.console import Console

from qaconv_reid import cli, people
from qaconv_reid.config import ConfigError
from qaconv_reid.people import Request
from qaconv_reid.recipes.study import cells as running
from qaconv_reid.recipes.study import study
from qaconv_reid.recipes.study.figure import figure
from qaconv_reid.recipes.study.plan import read_plan, studies
from qaconv_reid.recipes.study.results import _reached

PLAN = """
name = "little"
baseline = "PK"
identities = [4, 8]
seeds = [0]
images = 64
points = 2
settings = [
    "model.backbone=mobilenet_v2", "model.neck_features=8", "model.height=32", "model.width=16",
    "sampler.batch_size=8", "sampler.instances=2", "runtime.workers=0",
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
    cells = read_plan(str(plan)).cells(tmp_path, ["optimiser.learning_rate=0.002"])
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
        assert config.schedule.max_epochs * config.schedule.epoch_images == 64
        assert config.optimiser.learning_rate == 0.002
    some = read_plan(str(plan)).only(["PK"], [2], [5, 6])
    assert [cell.name for cell in some.cells(tmp_path)] == ["pk-2-5", "pk-2-6"]


def test_the_packaged_studies_can_be_begun(tmp_path):
    assert "sampling" in studies()
    for name in studies():
        assert read_plan(name).cells(tmp_path, ["data.train=a", "data.test=b"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('baseline = "PK"', 'baseline = "none"'), "baseline: got 'none', wanted one of PK, class"),
        (("points = 2", "points = 1"), "points: "),
        (('preset = "pk-2.1"', 'preset = "pk-2.2"'), "no preset of this name"),
        (("images = 64", "imagos = 64"), "images: "),
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
        (["--arms", "class memory"], "--arms: got no PK, which the others are compared with"),
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
    point = {"images": 8, "tests": {"a<b": {"mAP": 0.5}}}
    cell = {"arm": "x&y", "identities": 4, "points": [point, {**point, "images": 16}]}
    drawn = ElementTree.fromstring(figure({"arms": ["x&y"], "cells": [cell]}, "a<b", 4))
    assert "x&y 50.0" in "".join(drawn.itertext())
    assert ElementTree.fromstring(figure({"arms": ["x&y"], "cells": []}, "a<b", 4)) is not None


@pytest.mark.recipe
def test_a_study_that_is_stopped_goes_on(plan, tmp_path, monkeypatch, capsys):
    people.make(Request("tiny", test=4), tmp_path / "people")
    data = [f"data.{part}={tmp_path}/people/{domain}" for part, domain in _PARTS]
    run, ran = running._run, []

    def once(cell, threads):
        if ran:
            raise KeyboardInterrupt
        ran.append(cell.name)
        return run(cell, threads)

    with monkeypatch.context() as patch:
        patch.setattr(running, "_run", once)
        with pytest.raises(KeyboardInterrupt):
            study(str(plan), data, folder=tmp_path / "study", console=Console(quiet=True))
    begun = json.loads((tmp_path / "study" / "study.json").read_text())
    assert [cell["arm"] for cell in begun["cells"]] == ["PK"]

    command = ["study", str(plan), *data, "--out", str(tmp_path / "study"), "--jobs", "2"]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "little: 4 runs of 64 images, 3 to be made" in out
    assert "station, 8 training identities (%)" in out
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    assert len(found["cells"]) == 4
    assert found["untrained"] == begun["untrained"]
    assert 0 < found["untrained"]["station"]["mAP"] < 1
    assert found["cells"][0] == begun["cells"][0]
    for cell in found["cells"]:
        assert [point["images"] for point in cell["points"]] == [32, 64]
        last = cell["points"][-1]
        assert last["tests"]["station"] == cell["final"]["station"]
        assert 0 <= last["look_alike_pairs"] <= 1
        assert not cell["collapsed"]
    rows = {(row["identities"], row["arm"]): row for row in found["comparisons"]}
    one, other = (rows[4, arm] for arm in ("PK", "class memory"))
    difference = other["mAP"]["mean"] - one["mAP"]["mean"]
    assert other["mAP_over_baseline"]["value"] == pytest.approx(difference, abs=1e-9)
    assert "mAP_over_baseline" not in one
    ElementTree.parse(tmp_path / "study" / "station-8.svg")


_PARTS = (("train", "plaza"), ("test", "station"))

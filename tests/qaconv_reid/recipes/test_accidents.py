"""What may happen to a run: two at once, a full disk, files that others changed, no learning."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from qaconv_reid import cli
from qaconv_reid.ownership import owned
from qaconv_reid.recipes import evaluate as evaluate_recipe
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.training import Trainer, checkpoint
from support.images import write_csv_persons, write_market
from support.trained import write_run

PERSONS, SHOTS = 4, 4


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return write_csv_persons(tmp_path_factory.mktemp("people"), PERSONS, SHOTS)


def settings(people):
    return [
        *("tiny", "name=a", "schedule.max_epochs=1", "model.height=32", "model.width=16"),
        *("sampler.batch_size=4", "sampler.num_instances=2", "runtime.workers=0"),
        *(f"data.train={people}", f"data.test={people}"),
    ]


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory) -> Path:
    """The folder of a finished run, and of its data."""
    root = tmp_path_factory.mktemp("trained")
    assert cli.main(["train", *settings(people), f"output={root}"]) == 0
    return root / "a"


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> Path:
    """A copy of it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "runs/a")
    return Path("runs/a")


@pytest.fixture
def command(capsys):
    def give(*argv):
        code = cli.main([str(word) for word in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return give


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(command, run, said, *argv):
    """That it is refused in a sentence before anything is changed."""
    before = contents(run)
    code, out, err = command(*(argv or ("train", run, "--resume")))
    (line,) = [line for line in err.splitlines() if line.startswith("qaconv: ")]
    assert code == cli.USER_ERROR
    assert re.search(said, line), line
    assert len(line) < 620
    assert contents(run) == before
    return out


def test_the_second_of_two_under_one_name_is_told_who_the_first_is(people, run, command):
    with owned(run, "qaconv train"):
        said = rf"error: runs/a: process {os.getpid()} \(qaconv train, since .*choose another name"
        refused(command, run, said, "train", *settings(people))
        refused(command, run, said, "train", run, "--resume")
    refused(command, run, "the run is there already", "train", *settings(people))


CHANGES = [
    (lambda d: d.pop("tensors"), "tensors: got nothing"),
    (lambda d: d.update(tensors=5), "tensors: got 5"),
    (lambda d: d.pop("state"), "state: got nothing"),
    (lambda d: d["state"].update(epoch="two"), "epoch: got 'two', wanted a valid integer"),
    (lambda d: d["state"].update(position=-1), "position: got -1"),
    (lambda d: d["state"].update(optimizer=[]), r"optimizer: got \[\]"),
    (lambda d: d["state"].update(random=None), "random: got None"),
    (lambda d: d["state"]["random"].update(python=3), r"random\.python: got 3"),
    (lambda d: d["state"]["random"]["python"].__setitem__(1, "x"), "random: "),
    (lambda d: d["state"]["stream"].update(samplers=None), r"stream\.samplers: got None"),
    (lambda d: d["state"]["stream"]["samplers"].update(graph=None), "samplers.graph: got None"),
    (lambda d: d["state"]["stream"].update(active="x"), "stream: there is no 'x'"),
    (lambda d: d["state"]["meter"]["epoch"].update(other=1.0), r"meter\.epoch\.other: got 1\.0"),
    (lambda d: d["state"]["meter"]["epoch"].pop("loss"), r"meter\.epoch\.loss: got nothing"),
    (lambda d: d["state"]["composition"].update(drawn="x"), r"composition\.drawn: got 'x'"),
    (lambda d: d["state"]["watch"].update(seen=[]), r"watch\.seen: got \[\]"),
    (lambda d: d["state"].update(best=None), "best: got None"),
    (lambda d: d["state"]["network"].clear(), "network: "),
    (lambda d: d["state"]["schedule"].clear(), r"schedule\.epoch: got nothing"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_state_with_another_entry_is_refused_by_its_name(run, command, change, said):
    file = run / "checkpoint" / "state.json"
    document = json.loads(file.read_text())
    # As a program that knows of digests would write it.
    del document["state_sha256"]
    change(document)
    file.write_text(json.dumps(document))
    refused(command, run, rf"error: runs/a/checkpoint.*{said}")


@pytest.mark.parametrize("file", ["metrics.jsonl", "evaluation.json", "config.toml"])
@pytest.mark.parametrize("text", ["[" * 5000 + "\n{}\n", '{"epoch": 1, \n{}\n', "\xff\n\n"])
def test_a_file_that_was_changed_is_refused_by_its_name(run, command, file, text):
    (run / file).write_text(text)
    refused(command, run, rf"error: runs/a/{file}: ")


def test_garbled_tensors_are_found_before_anything_is_written(run, command):
    file = next((run / "checkpoint").glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    said = rf"{file.name}: got other bytes than were written"
    refused(command, run, said, "train", run, "--resume", "schedule.max_epochs=2")
    refused(command, run, said, "evaluate", run)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(run, command, value):
    state = checkpoint.load(run / "checkpoint")
    state["network"]["neck.weight"][0, 0, 0, 0] = value
    checkpoint.save(run / "checkpoint", state)
    refused(command, run, r"checkpoint: .*network: not finite neck\.weight$", "evaluate", run)
    refused(command, run, r"network\.neck\.weight and 0 more are not finite")


def test_a_checkpoint_of_another_backbone_is_refused_in_a_sentence(run, command):
    file = run / "config.toml"
    file.write_text(file.read_text().replace("mobilenet_v2", "resnet18"))
    refused(command, run, r"checkpoint: .* and \d+ more", "evaluate", run)
    refused(command, run, r"checkpoint: does not fit these data sets and settings: ")


def full(*arguments, **named):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_results_are_shown_though_they_cannot_be_kept(run, command, monkeypatch):
    monkeypatch.setattr(RunFolder, "write_evaluation", full)
    monkeypatch.setattr(evaluate_recipe, "write_json", full)
    code, out, err = command("evaluate", run, "--json", "found.json", "--csv", "queries.csv")
    assert "a: after 1 epochs" in out
    assert "mAP" in out
    assert code == cli.USER_ERROR
    assert "runs/a: the results cannot be written (No space left on device)" in err
    assert "kept by: qaconv evaluate runs/a; --json: found.json cannot be written: No space" in err
    # What can be written is, and what was computed is kept for the next time.
    assert Path("queries.csv").is_file()
    assert (run / "evaluation-work").is_dir()


def test_results_of_a_training_are_shown_though_they_cannot_be_kept(run, command, monkeypatch):
    monkeypatch.setattr(RunFolder, "write_evaluation", full)
    code, out, err = command("train", run, "--resume")
    assert "a: after 1 epochs" in out
    assert code == cli.USER_ERROR
    assert "the results cannot be written (No space left on device), but they stand above" in err


@pytest.mark.parametrize("place", ["--json", "--csv", "--ranked"])
@pytest.mark.parametrize("target", ["folder", "n" * 300, "file/below"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(run, command, place, target):
    Path("file").touch()
    Path("folder").mkdir()
    if (place, target) == ("--ranked", "folder"):
        target = "file"
    out = refused(
        command, run, rf"error: {place}: got {target[:20]}", "evaluate", run, place, target
    )
    assert out == ""


@pytest.mark.parametrize(
    "words", [("data", "measure", "people"), ("compare", "a", "b"), ("report", "runs/a")]
)
def test_figures_that_cannot_be_written_are_refused_before_the_work(run, command, words):
    Path("folder").mkdir()
    said = "error: --json: got folder, wanted a file that can be written: Is a directory"
    assert refused(command, run, said, *words, "--json", "folder") == ""


@pytest.mark.parametrize("fault", ["tensors", "state", "log"])
def test_a_disk_that_is_full_while_training_leaves_the_checkpoint_before(
    run, command, monkeypatch, fault
):
    def no_room(*arguments, **named):
        raise SafetensorError("Error: I/O error: No space left on device (os error 28)")

    write_text = Path.write_text

    def no_state(path, *arguments, **named):
        return (full if "state.json" in path.name else write_text)(path, *arguments, **named)

    before = contents(run / "checkpoint")
    with monkeypatch.context() as patch:
        if fault == "tensors":
            patch.setattr(checkpoint, "save_file", no_room)
        elif fault == "state":
            patch.setattr(Path, "write_text", no_state)
        else:
            patch.setattr("qaconv_reid.reports.metrics.RunLog.append", full)
        code, _, err = command("train", run, "--resume", "schedule.max_epochs=2")
    assert code == cli.USER_ERROR
    place = "metrics.jsonl" if fault == "log" else "checkpoint"
    assert err.splitlines()[-1] == (
        f"qaconv: error: runs/a/{place}: cannot be written (No space left on device); what was "
        "kept before is whole: when it can be written go on by: qaconv train runs/a --resume"
    )
    assert contents(run / "checkpoint") == before
    code, out, _ = command("train", run, "--resume")
    assert code == 0
    assert "a: after 2 epochs" in out


def test_a_run_in_which_no_step_is_made_ends_with_a_sentence(people, run, command, monkeypatch):
    gradients = Trainer._gradients

    def none(self, *arguments):
        result = gradients(self, *arguments)
        next(self.network.parameters()).grad.fill_(math.nan)
        return result

    monkeypatch.setattr(Trainer, "_gradients", none)
    code, out, err = command("train", *settings(people), "name=b")
    assert code == cli.USER_ERROR
    assert "error: no step was made in the last epoch, for want of a finite gradient" in err
    assert "Rank-1" not in out
    assert not Path("runs/b").exists()


def test_weights_that_stop_being_numbers_are_not_kept(run, command, monkeypatch):
    step = Trainer._update

    def broken(self):
        taken = step(self)
        with torch.no_grad():
            next(self.network.parameters()).fill_(math.nan)
        return taken

    monkeypatch.setattr(Trainer, "_update", broken)
    before = contents(run / "checkpoint")
    code, _, err = command("train", run, "--resume", "schedule.max_epochs=2")
    assert code == cli.USER_ERROR
    assert "more are not finite: look at the weights (model.weights)" in err
    assert contents(run / "checkpoint") == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["output=file"], "output, name: got file/b, wanted a folder that can be written to: "),
        ([f"output={'o' * 300}"], "output, name: got .*: File name too long"),
        (["output="], "output: got '', wanted a folder"),
        (["model.height=1000000000"], "model.height: got 1000000000"),
        (["model.weights=nan.pth"], r"model\.weights: got .*nan\.pth, .*: not finite"),
        (["runtime.tensorboard=true"], "runtime.tensorboard"),
    ],
)
def test_what_is_refused_leaves_no_folder(people, tmp_path, monkeypatch, command, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    Path("file").touch()
    if "nan.pth" in words[0]:
        from qaconv_reid.models.backbones import build_backbone

        tensors = build_backbone("mobilenet_v2")[0].state_dict()
        first = next(iter(tensors))
        torch.save({**tensors, first: tensors[first] * math.nan}, "nan.pth")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = command("train", *settings(people), "name=b", *words)
    assert code == cli.USER_ERROR
    assert re.search(said, err), err
    assert sorted(tmp_path.rglob("*")) == before


def test_tensors_of_another_program_have_the_same_right(run, command):
    """A checkpoint without digests, as of an earlier version, is gone on with."""
    file = run / "checkpoint" / "state.json"
    document = json.loads(file.read_text())
    del document["state_sha256"], document["tensors_sha256"]
    file.write_text(json.dumps(document))
    tensors = run / "checkpoint" / document["tensors"]
    save_file(load_file(tensors), tensors)
    assert command("train", run, "--resume", "schedule.max_epochs=2")[0] == 0


@pytest.mark.parametrize("argv", [["data", "make", "tiny", "--out", ""], ["report", "a", "--out="]])
def test_an_empty_place_is_refused(command, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command(*argv)
    assert (code, err) == (cli.USER_ERROR, "qaconv: error: --out: got an empty text\n")
    assert list(tmp_path.iterdir()) == []


LONG = "l" * 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "tiny", f"model.weights={LONG}"],
            r"model\.weights: got l+ … l+, wanted an exis",
        ),
        (["train", "tiny", "model.weights=~nobody/w"], r"model\.weights: got ~nobody/w, wanted an"),
        (["train", LONG], "l: cannot be read as settings: File name too long"),
        (["report", "RUN", "--out", f"{LONG}/a.html"], "--out: got l+ … .*wanted a file in a fold"),
        (["compare", LONG, "RUN"], "l+ … l+.*"),
        (["data", "measure", LONG], "l+ … l+: there is no such folder"),
        (["match", "a", "b", "RUN", "--draw", f"{LONG}.png"], r"--draw: got l+ … l+\.png, wanted"),
    ],
)
def test_a_path_of_thousands_of_letters(people, run, command, words, said):
    if "model." in words[-1]:
        words = [*words, *settings(people)[1:], "name=b"]
    words = [str(run) if word == "RUN" else word for word in words]
    code, _, err = command(*words)
    assert code == cli.USER_ERROR
    assert re.search(said, err), err
    assert len(err) < 700


def test_a_calibration_is_said_though_it_cannot_be_kept(people, run, command, monkeypatch):
    monkeypatch.setattr("qaconv_reid.calibration.replaced", full)
    code, out, err = command("calibrate", run, "--data", people)
    assert "fitted on" in out
    assert code == cli.USER_ERROR
    assert err.endswith("the calibration cannot be written: No space left on device\n")


@pytest.mark.skipif(
    not Path("/sys/kernel").is_dir(), reason="no file system that none can write to"
)
@pytest.mark.parametrize(
    "argv",
    [
        ("train", "tiny", "data.train=people", "output=/sys/none"),
        ("evaluate", "RUN", "--data", "people", "--json", "/sys/none.json"),
        ("evaluate", "RUN", "--data", "people", "--features", "/sys/none"),
        ("gallery", "add", "RUN", "/sys/none.safetensors", "people"),
        ("gallery", "add", "RUN", "/sys/none.lance", "people"),
        ("data", "make", "tiny", "--out", "/sys/none"),
        ("export", "RUN", "--out", "/sys/none"),
        ("data", "measure", "people", "--json", "/sys/none.json"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_named(argv, tmp_path, monkeypatch, capsys):
    if "lance" in " ".join(argv):
        pytest.importorskip("lancedb")
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "people", 0, 4)
    write_run(tmp_path / "run")
    assert cli.main(["run" if word == "RUN" else word for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "/sys/none" in error
    assert ".tmp" not in error
    assert ".rs:" not in error


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (
            ("evaluate", ""),
            "settings: got an empty text, wanted a file, a run or a preset",
        ),
        (("study", "."), ".: cannot be read as a study: Is a directory"),
    ],
)
def test_what_is_no_file_gets_a_sentence(argv, wanted, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(list(argv)) == 2
    assert capsys.readouterr().err == f"qaconv: error: {wanted}\n"

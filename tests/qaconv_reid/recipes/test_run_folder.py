"""What a run's folder keeps of evaluations."""

from __future__ import annotations

import json
import os
import signal
import sys
from types import SimpleNamespace

import pytest
import torch

from qaconv_reid.config import ConfigError, load
from qaconv_reid.documents import DocumentError
from qaconv_reid.recipes.query_file import _COLUMNS as COLUMNS
from qaconv_reid.recipes.runs import RunFolder, anchored
from qaconv_reid.reports import Metrics
from qaconv_reid.training import checkpoint
from support.runs import small_config


def result(dataset, mAP, root=None, **more):
    return SimpleNamespace(
        root=root or f"/data/{dataset}",
        as_dict=lambda: {"dataset": dataset, "mAP": mAP, **more},
    )


def test_an_evaluation_replaces_the_one_that_was_measured_alike(tmp_path):
    folder = RunFolder(tmp_path)
    folder.evaluation.write_text(json.dumps([{"dataset": "a", "mAP": 0.1}]))  # an early one
    folder.write_evaluation([result("b", 0.2, protocol="market", area="plain")], 3)
    folder.write_evaluation([result("a", 0.3, protocol="cuhk03", area="plain")], 3)
    folder.write_evaluation([result("a", 0.4, protocol="market", area="plain")], 3)
    folder.write_evaluation([result("a", 0.5, protocol="market", area="trapezoid")], 3)
    entries = json.loads(folder.evaluation.read_text())
    assert [(entry["dataset"], entry["mAP"]) for entry in entries] == [
        ("b", 0.2),
        ("a", 0.3),
        ("a", 0.4),
        ("a", 0.5),
    ]
    assert all(entry["epochs"] == 3 for entry in entries)


def test_data_sets_of_one_name_are_told_apart_by_their_places(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_evaluation([result("a", 0.1, root="/one/a"), result("a", 0.2, root="/two/a")], 3)
    folder.write_evaluation([result("a (two)", 0.3, root="/two/a")], 3)
    entries = json.loads(folder.evaluation.read_text())
    assert [(entry["root"], entry["mAP"]) for entry in entries] == [
        ("/one/a", 0.1),
        ("/two/a", 0.3),
    ]


LINE = {"epoch": 1, "seconds": 1.0, "loss": "nan"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ['{"epo', json.dumps(LINE)],
            "got no JSON object in line 1, wanted the record of an epoch",
        ),
        ([json.dumps(LINE), "{}"], "line 2: epoch: got nothing, wanted a value"),
        ([json.dumps({**LINE, "epoch": "1"})], "line 1: epoch: got '1', wanted a valid integer"),
        ([json.dumps({**LINE, "loss": []})], r"line 1: loss: got \[\], wanted a valid number or"),
        (["[" * 5000, json.dumps(LINE)], "got no JSON object in line 1"),
    ],
)
def test_a_log_that_is_none_is_named_by_line_and_entry(tmp_path, lines, said):
    folder = RunFolder(tmp_path)
    folder.metrics.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(DocumentError, match=rf"metrics\.jsonl: {said}"):
        folder.forget_metrics_after(1)
    assert folder.metrics.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"dataset": "a", "mAP"', "got no JSON"),
        ('{"dataset": "a"}', "got {'dataset': 'a'}, wanted a valid list"),
        ("[1]", "0: got 1, wanted a valid dictionary"),
        ('[{"dataset": "a", "mAP": "much"}]', "entry 1: mAP: got 'much', wanted a valid number"),
        ('[{"dataset": "a", "mAP": 0.5}, {}]', "entry 2: dataset: got nothing"),
        ("[" * 5000, "got no JSON \\(nested too deep\\)"),
    ],
)
def test_results_that_are_none_are_found_before_any_work(tmp_path, text, said):
    folder = RunFolder(tmp_path)
    folder.evaluation.write_text(text)
    with pytest.raises(DocumentError, match=rf"evaluation\.json: {said}"):
        folder.check_results()
    assert folder.evaluation.read_text() == text


@pytest.mark.parametrize("file", ["evaluation", "evaluation_queries"])
def test_a_folder_in_the_place_of_results_is_found_before_any_work(tmp_path, file):
    folder = RunFolder(tmp_path)
    getattr(folder, file).mkdir()
    with pytest.raises((DocumentError, ConfigError), match=r"evaluation.*: got something else"):
        folder.check_results()


def test_a_table_of_queries_with_a_torn_line_is_found_before_any_work(tmp_path):
    folder = RunFolder(tmp_path)
    folder.evaluation_queries.write_text(",".join(COLUMNS) + "\na,b\n")
    with pytest.raises(ConfigError, match=r"queries\.csv: got another number of cells .* line 2"):
        folder.check_results()


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Settings of a run on data beside it, and its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people").mkdir()
    config = anchored(small_config("data.train=folder:people", "data.test=people", "name=a"))
    folder = RunFolder(config.directory)
    folder.write_config(config)
    return config, folder


@pytest.mark.usefixtures("begun")
def test_a_run_can_be_gone_on_with_from_anywhere(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    again = load("../runs/a")
    assert again.data.train == (f"folder:{tmp_path / 'people'}",)
    assert again.data.test == (str(tmp_path / "people"),)
    RunFolder(again.directory).check_same(anchored(again))


def test_data_that_was_moved_is_the_same_data(begun, tmp_path):
    config, folder = begun
    for place, fits in (("elsewhere/people", True), ("elsewhere/others", False)):
        data = config.data.model_copy(update={"train": (f"folder:{tmp_path / place}",)})
        other = config.model_copy(update={"data": data})
        if fits:
            folder.check_same(other)
            continue
        with pytest.raises(ConfigError, match=r"begun with another data\.train"):
            folder.check_same(other)


def test_places_of_earlier_entries_were_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(tmp_path)
    folder.evaluation.write_text(json.dumps([{"dataset": "a", "root": "data/a", "mAP": 0.1}]))
    folder.write_evaluation([result("a", 0.2, root=str(tmp_path / "data/a"))], 3)
    assert [entry["mAP"] for entry in folder.evaluations()] == [0.2]


@pytest.mark.parametrize(
    ("name", "said"),
    [("file", "Not a directory|File exists"), ("file/below", "Not a directory")],
)
def test_a_place_where_no_folder_can_be_is_named_by_its_settings(tmp_path, name, said):
    (tmp_path / "file").touch()
    folder = RunFolder(tmp_path / name)
    with (
        pytest.raises(ConfigError, match=rf"output, name: got .*, wanted a folder .*: {said}"),
        folder.owned("test", print),
    ):
        pass


def test_a_new_run_that_learnt_nothing_gives_its_name_back(begun):
    config, folder = begun
    (folder.path / "notes.txt").touch()
    folder.discard()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    folder.write_config(config)
    folder.metrics.write_text(json.dumps(LINE) + "\n")
    folder.discard()
    assert folder.config_file.is_file()


def test_evaluations_that_end_at_once_are_all_kept(begun, monkeypatch):
    _, folder = begun
    monkeypatch.setattr("qaconv_reid.recipes.runs.write_queries", lambda *_, **__: None)
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            for part in range(10):
                folder.write_results([result(f"{number}-{part}", 0.5)], [], 3)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    names = {entry["dataset"] for entry in folder.evaluations()}
    assert names == {f"{number}-{part}" for number in range(4) for part in range(10)}


def _begin(folder, config):
    """What a run writes until it is trained and evaluated, without the training."""
    with folder.owned("test", str):
        folder.check_new()
        folder.check_results()
        folder.write_config(config)
        with Metrics(folder.path) as metrics:
            for epoch in (1, 2):
                metrics.append({**LINE, "epoch": epoch})
                checkpoint.save(folder.checkpoint, {"epoch": epoch, "w": torch.ones(2)})
        folder.write_evaluation([result("a", 0.5)], 2)


#: What changes the disk, of Python's audit events.
EVENTS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod")


def _killed_at(number, folder, config):
    """Whether a process got as far as that change of the disk, where it was killed."""
    child = os.fork()
    if not child:
        left = number

        def hook(event, arguments):
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in EVENTS or writes:
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        sys.addaudithook(hook)
        try:
            _begin(folder, config)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_run_that_is_killed_at_any_change_of_the_disk_goes_on(tmp_path):
    """By `train` or by `--resume`, with a whole state, and nothing half written stays."""
    resumed = 0
    for number in range(1000):
        config = small_config(f"output={tmp_path}", f"name=a{number}")
        folder = RunFolder(config.directory)
        if not _killed_at(number, folder, config):
            break
        with folder.owned("test", str):
            assert not list(folder.path.rglob("*.tmp"))
            try:
                folder.check_new()
                assert not folder.config_file.exists()
            except ConfigError:
                folder.check_same(config)
                folder.check_results()
                epochs = [record["epoch"] for record in folder.epochs()]
                saved = 0
                if folder.has_checkpoint():
                    resumed += 1
                    saved = checkpoint.load(folder.checkpoint)["epoch"]
                # The log is never behind the checkpoint.
                assert epochs == [1, 2][: len(epochs)]
                assert len(epochs) >= saved
                folder.forget_metrics_after(saved)
                assert len(folder.epochs()) == saved
    assert number > 20
    assert resumed > 10

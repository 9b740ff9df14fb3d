"""The command from end to end on a small folder of drawn people."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from qaconv_reid import cli, config, data
from qaconv_reid.reports import read_run_log
from qaconv_reid.training import Trainer, checkpoint
from support.images import corrupt, draw_person, write_csv_persons

pytestmark = pytest.mark.recipe

PERSONS, SHOTS = 10, 4


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """A CSV data set: half of the people to learn from, the others to search for."""
    return write_csv_persons(tmp_path_factory.mktemp("people"), PERSONS, SHOTS)


@pytest.fixture
def command(people, tmp_path, monkeypatch, capsys):
    """Runs ``qaconv train`` or ``evaluate`` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    small = ("model.height=64", "model.width=32", f"data.train={people}", f"data.test={people}")

    def run(*argv: str) -> tuple[int, str, str]:
        settings = () if Path(argv[1]).is_dir() else small
        code = cli.main([*argv, *settings])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def weights(name):
    saved = checkpoint.load(Path("runs") / name / "checkpoint")
    return {**saved["network"], **{f"matcher.{k}": v for k, v in saved["matcher"].items()}}


def assert_same_weights(left, right):
    left, right = weights(left), weights(right)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_train_and_evaluate(command, people):
    code, out, _ = command("train", "tiny", "name=a", "schedule.max_epochs=2")
    assert code == 0
    assert "a: after 2 epochs" in out
    for heading in ("Rank-1", "Rank-5", "Rank-10", "mAP", "mINP"):
        assert heading in out

    folder = Path("runs/a")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint",
        "config.toml",
        "evaluation-queries.csv",
        "evaluation.json",
        "metrics.csv",
        "metrics.jsonl",
    ]
    assert config.load(folder).data.train == (str(people),)
    assert [record["epoch"] for record in read_run_log(folder / "metrics.jsonl")] == [1, 2]
    (entry,) = json.loads((folder / "evaluation.json").read_text())
    assert (entry["queries"], entry["gallery"], entry["epochs"]) == (PERSONS, PERSONS * 3, 2)

    code, again, _ = command("evaluate", "runs/a")
    assert code == 0
    assert "a: after 2 epochs" in again
    (second,) = json.loads((folder / "evaluation.json").read_text())
    measures = ("dataset", "rank1", "rank5", "rank10", "mAP", "mINP")
    assert [second[name] for name in measures] == [entry[name] for name in measures]


def test_a_resumed_run_is_the_run_that_was_never_stopped(command):
    assert command("train", "tiny", "name=whole", "schedule.max_epochs=3")[0] == 0
    assert command("train", "tiny", "name=parts", "schedule.max_epochs=2")[0] == 0
    code, out, _ = command("train", "runs/parts", "--resume", "schedule.max_epochs=3")

    assert code == 0
    assert "resumed after 2 epochs" in out
    assert_same_weights("parts", "whole")
    assert config.load("runs/parts").schedule.max_epochs == 3
    losses = [
        [record["loss"] for record in read_run_log(Path("runs") / name / "metrics.jsonl")]
        for name in ("whole", "parts")
    ]
    assert losses[0] == losses[1]


def test_an_interrupted_run_goes_on_in_the_middle_of_its_epoch(command, monkeypatch):
    assert command("train", "tiny", "name=whole", "schedule.max_epochs=2")[0] == 0
    step = Trainer._step

    def interrupted(self, images, labels):
        if (self.epoch, self.position) == (1, 3):
            signal.raise_signal(signal.SIGINT)
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    code, _, error = command("train", "tiny", "name=parts", "schedule.max_epochs=2")
    monkeypatch.setattr(Trainer, "_step", step)

    assert code == cli.INTERRUPTED
    assert "stopped in epoch 2; go on by: qaconv train runs/parts --resume" in error
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    code, out, _ = command("train", "runs/parts", "--resume")
    assert code == 0
    assert "resumed after 1 epochs and 4 batches" in out
    assert_same_weights("parts", "whole")


def test_a_run_that_was_killed_before_its_checkpoint_was_written(command, monkeypatch):
    """The log knows an epoch that the checkpoint does not: it is trained, and told, once more."""
    save = checkpoint.save

    def killed(folder, state):
        if state["epoch"] == 2:
            raise KeyboardInterrupt
        save(folder, state)

    assert command("train", "tiny", "name=whole", "schedule.max_epochs=2")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        assert command("train", "tiny", "name=parts", "schedule.max_epochs=2")[0] == 130
    assert command("train", "runs/parts", "--resume")[0] == 0
    assert_same_weights("parts", "whole")
    log = read_run_log(Path("runs/parts/metrics.jsonl"))
    assert [record["epoch"] for record in log] == [1, 2]


def test_an_existing_run_is_not_overwritten(command):
    assert command("train", "tiny", "name=a", "schedule.max_epochs=1")[0] == 0
    before = Path("runs/a/metrics.jsonl").read_bytes()

    code, _, error = command("train", "tiny", "name=a", "schedule.max_epochs=1")

    assert code == 2
    assert "runs/a: the run is there already; go on with it by --resume" in error
    assert Path("runs/a/metrics.jsonl").read_bytes() == before


def test_a_run_is_not_resumed_or_evaluated_with_another_network(command):
    assert command("train", "tiny", "name=a", "schedule.max_epochs=1")[0] == 0
    for argv in (("train", "runs/a", "--resume"), ("evaluate", "runs/a")):
        code, _, error = command(*argv, "model.neck_features=32")
        assert code == 2
        assert "was begun with another model.neck_features" in error


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.test=/no/where", "/no/where: there is no such file or folder"),
        ("sampler.batch_size=64", "data.train: got 10 identities, wanted at least 16"),
        ("model.backbone=resnet5", "model.backbone: got 'resnet5'"),
        ("model.weights=/no/where.pth", "model.weights: got /no/where.pth"),
        ("runtime.device=nowhere", "runtime.device: got 'nowhere'"),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_written(
    people, tmp_path, monkeypatch, capsys, override, said
):
    monkeypatch.chdir(tmp_path)
    code = cli.main(["train", "tiny", f"data.train={people}", f"data.test={people}", override])
    assert code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_test_sets(people, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ("model.height=64", "model.width=32", "schedule.max_epochs=1")
    assert cli.main(["train", "tiny", f"data.train={people}", *small]) == 0
    assert not Path("runs/tiny/evaluation.json").exists()
    assert cli.main(["evaluate", "runs/tiny", "--data", f"csv:{people}"]) == 0
    assert "tiny: after 1 epochs" in capsys.readouterr().out


def test_the_untrained_matcher_leaves_no_run_behind(command):
    code, out, _ = command("evaluate", "tiny", "--untrained")
    assert code == 0
    assert "tiny: untrained matcher" in out
    assert list(Path().iterdir()) == []


def test_the_best_weights_on_identities_held_back(command):
    code, _, error = command(
        "train",
        "tiny",
        "name=v",
        "data.validation=0.2",
        "evaluation.every=1",
        "evaluation.weights=best",
        "schedule.kind=step",
        "schedule.max_epochs=4",
        "schedule.patience=1",
        "sampler.batch_size=8",
        "sampler.num_instances=2",
        "runtime.precision=bfloat16",
        "optimizer.average=0.9",
    )
    assert code == 0
    assert "validation Rank-1" in error
    records = read_run_log(Path("runs/v/metrics.jsonl"))
    maps = [record["validation_mAP"] for record in records]
    best = maps.index(max(maps))
    assert checkpoint.load(Path("runs/v/best"))["epoch"] == best + 1
    if len(maps) < 4:
        assert "the run ends (schedule.patience)" in error
        assert best == len(maps) - 2
    # The evaluation at the end and a later one are of the same weights, the best ones.
    first = json.loads(Path("runs/v/evaluation.json").read_text())[0]["mAP"]
    assert command("evaluate", "runs/v")[0] == 0
    assert json.loads(Path("runs/v/evaluation.json").read_text())[0]["mAP"] == first
    table = Path("runs/v/metrics.csv").read_text().splitlines()
    assert len(table) == 1 + len(maps)
    assert table[0].startswith("epoch,loss,accuracy,gap,scale,")


def test_each_of_several_sets_is_left_out_in_turn(tmp_path, monkeypatch, capsys):
    sets = []
    for name in ("north", "south"):
        rows = ["path,person,camera,split"]
        folder = tmp_path / name
        folder.mkdir()
        for person in range(12):
            for shot in range(4):
                file = f"{person}_{shot}.png"
                draw_person(person, camera=shot % 2, shot=shot).save(folder / file)
                split = "train" if person < 8 else ("query" if shot == 0 else "gallery")
                rows.append(f"{file},{person},{shot % 2},{split}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
        sets.append(str(folder / f"{name}.csv"))
    monkeypatch.chdir(tmp_path)
    small = ("model.height=64", "model.width=32", "schedule.max_epochs=1", "name=all")
    arguments = ["train", "tiny", f"data.train={json.dumps(sets)}", *small]
    assert cli.main([*arguments, "--leave-one-out"]) == 0
    out = capsys.readouterr().out
    assert "all: each trained on all the others" in out
    assert config.load("runs/all-without-north.csv").data.train == (sets[1],)
    assert config.load("runs/all-without-north.csv").data.test == (sets[0],)
    assert cli.main([*arguments, "--leave-one-out"]) == 2
    assert "the run is there already" in capsys.readouterr().err
    assert cli.main(["train", "tiny", f"data.train={sets[0]}", "--leave-one-out"]) == 2
    assert "wanted two or more of different names" in capsys.readouterr().err


def test_a_compiled_network_trains_the_same_weights_by_name(command):
    assert (
        command("train", "tiny", "name=c", "schedule.max_epochs=1", "runtime.compile=default")[0]
        == 0
    )
    assert not any("_orig_mod" in name for name in weights("c"))
    assert command("evaluate", "runs/c")[0] == 0


@pytest.fixture
def own(people, tmp_path, monkeypatch, capsys):
    """A copy of the people, and ``qaconv train`` on it in an empty folder: exit code, errors."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(people.parent, "people")
    small = ("model.height=64", "model.width=32", "schedule.max_epochs=1", "data.cache_folder=c")

    def run(*argv: str) -> tuple[int, str]:
        sets = () if Path(argv[0]).is_dir() else ("data.train=people/list.csv", *small)
        code = cli.main(["train", *argv, *sets])
        return code, capsys.readouterr().err

    return Path("people"), run


def test_an_image_that_breaks_while_training_loses_nothing(own, monkeypatch):
    """The run is kept as it stands, says so in a line, and goes on where the image is whole."""
    folder, run = own
    read = ("tiny", "data.cache=off", "runtime.workers=1")
    assert run(*read, "name=whole")[0] == 0
    image = folder / "3_1.png"
    content = image.read_bytes()
    image.write_bytes(content[:200])
    with monkeypatch.context() as patch:  # as if it were still whole when the run begins
        patch.setattr(data.Inspection, "broken", lambda *_: [])
        code, err = run(*read, "name=a")
    assert code == 2
    (line,) = [line for line in err.splitlines() if line.startswith("qaconv: error: ")]
    assert "people/3_1.png: cannot be read as an image" in line
    assert "qaconv train runs/a --resume" in line
    assert "Traceback" not in err

    shutil.copytree("runs/a", "runs/b")
    code, err = run("runs/a", "--resume")
    assert code == 2
    assert "1 of 40 images cannot be read" in err
    code, err = run("runs/b", "--resume", "data.broken=skip")
    assert code == 0
    assert "takes its place (data.broken=skip; 1 so far)" in err
    image.write_bytes(content)
    assert run("runs/a", "--resume")[0] == 0
    assert_same_weights("a", "whole")


def test_broken_images_are_skipped_alike_wherever_images_are_kept(own):
    folder, run = own
    for name in ("1_1.png", "3_2.png"):
        corrupt(folder / name)
    for cache in ("off", "memory", "disk"):
        code, err = run("tiny", f"name={cache}", "data.broken=skip", f"data.cache={cache}")
        assert code == 0, err
        assert (
            sum("another image of that identity takes its place" in x for x in err.splitlines())
            == 2
        )
        assert_same_weights(cache, "off")

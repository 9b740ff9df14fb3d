"""``qaconv evaluate checkpoint.pth.tar``: the numbers of the same weights in a folder of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from qaconv_reid import cli, config
from qaconv_reid.build import build_models
from qaconv_reid.recipes import evaluate as recipe
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.training import checkpoint
from support.foreign import authors_document
from support.images import write_market

BACKBONE = "resnet18_ibn_b"
SIZE = ("model.height=64", "model.width=32")
MEASURES = ("rank1", "rank5", "rank10", "mAP", "mINP", "queries", "gallery")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Random models, saved by us as ``runs/ours`` and by the authors as ``checkpoint.pth.tar``."""
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "market", 0, 6)
    settings = config.load(
        None,
        [
            "name=ours",
            f"model.backbone={BACKBONE}",
            "model.neck_features=16",
            "data.test=market",
            "runtime.workers=0",
            *SIZE,
        ],
    )
    torch.manual_seed(5)
    network, matcher = build_models(settings, torch.device("cpu"))
    for parameter in matcher.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    matcher.bn.running_mean.fill_(0.3)
    matcher.fc.weight.data[0, ::2] *= -1
    folder = RunFolder(settings.directory)
    folder.write_config(settings)
    checkpoint.save(
        folder.checkpoint,
        {"network": network.state_dict(), "matcher": matcher.state_dict(), "epoch": 3},
    )
    torch.save(authors_document(network, matcher, BACKBONE), "checkpoint.pth.tar")
    return network, matcher


def evaluated(monkeypatch, *argv):
    """The title and the results of ``qaconv evaluate``."""
    shown = []
    with monkeypatch.context() as patch:
        patch.setattr(
            recipe, "show", lambda results, title, console: shown.extend((title, results))
        )
        assert cli.main(["evaluate", *argv]) == 0
    title, results = shown
    return title, [{name: result.as_dict()[name] for name in MEASURES} for result in results]


def test_the_same_weights_give_the_same_numbers(models, monkeypatch, capsys):
    title, ours = evaluated(monkeypatch, "runs/ours")
    assert title == "ours: after 3 epochs"
    assert 0 < ours[0]["mAP"] < 1
    title, theirs = evaluated(
        monkeypatch, "checkpoint.pth.tar", "data.test=market", "runtime.workers=0", *SIZE
    )
    assert title == "checkpoint: after 3 epochs"
    assert theirs == ours
    assert "checkpoint.pth.tar, a file of QAConv's authors" in capsys.readouterr().out
    # Nothing is kept of it.
    assert [path.name for path in Path("runs").iterdir()] == ["ours"]


def test_a_neckless_network_takes_the_stage_of_the_settings(models, monkeypatch):
    document = torch.load("checkpoint.pth.tar", weights_only=True)
    for key in ("neck_conv.weight", "neck_conv.bias"):
        del document["model"][key]
    torch.save(document, "neckless.pth.tar")
    settings = ("data.test=market", "runtime.workers=0", "model.stage=layer3", *SIZE)
    title, results = evaluated(monkeypatch, "neckless.pth.tar", *settings)
    assert title == "neckless: after 3 epochs"
    assert results[0]["queries"] > 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "wanted 8 locations, as in checkpoint.pth.tar (64 × 32)"),
        (("model.backbone=resnet18", *SIZE), "model.backbone: got resnet18, wanted resnet18_ibn_b"),
        (("model.stage=layer2", *SIZE), "model.stage: got layer2, wanted layer3"),
        (("model.neck_features=8", *SIZE), "model.neck_features: got 8, wanted 16"),
        (("model.hieght=3",), "did you mean model.height?"),
        (("--untrained", *SIZE), "--untrained: got it with the checkpoint checkpoint.pth.tar"),
    ],
)
def test_a_setting_that_contradicts_the_file_is_named(models, capsys, argv, said):
    code = cli.main(["evaluate", "checkpoint.pth.tar", "data.test=market", *argv])
    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (2, 1)
    assert said in error


def test_a_file_of_another_program_is_refused_in_a_sentence(tmp_path, capsys):
    torch.save({"model": {"backbone.conv1.weight": torch.zeros(1)}}, tmp_path / "fast.pth")
    (tmp_path / "text.pth.tar").write_text("no checkpoint")
    (tmp_path / "settings.json").write_text(json.dumps({"epoch": 3}))
    for name in ("fast.pth", "text.pth.tar", "settings.json"):
        assert cli.main(["evaluate", str(tmp_path / name), "data.test=market"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert name in error

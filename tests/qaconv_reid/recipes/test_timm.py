"""A transformer of timm from end to end: trained for an epoch, kept, evaluated again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qaconv_reid import cli
from support.images import write_market

pytestmark = pytest.mark.recipe
pytest.importorskip("timm")


def test_a_vision_transformer_trains_and_evaluates(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "market", 6, 6, cameras=2)
    settings = (
        "model.backbone=timm:vit_tiny_patch16_224",
        "model.stage=feature2",
        "model.neck_features=16",
        "data.train=market",
        "data.test=market",
        "schedule.max_epochs=1",
    )
    assert cli.main(["train", "tiny", "name=vit", *settings]) == 0
    assert "timm:vit_tiny_patch16_224 on" in capsys.readouterr().out
    (trained,) = json.loads(Path("runs/vit/evaluation.json").read_text())
    assert trained["epochs"] == 1
    assert 0 < trained["mAP"] <= 1

    assert cli.main(["evaluate", "runs/vit"]) == 0
    (again,) = json.loads(Path("runs/vit/evaluation.json").read_text())
    assert [again[m] for m in ("rank1", "mAP", "mINP")] == [
        trained[m] for m in ("rank1", "mAP", "mINP")
    ]

"""A run's state on disk: exact, whole, and without pickle."""

from __future__ import annotations

import json
import math
import os
import random

import numpy as np
import pytest
import torch

from qaconv_reid.training import checkpoint
from qaconv_reid.training.checkpoint import CheckpointError


def state(value=1.0):
    weight = torch.full((2, 3), value)
    return {
        "network": {"a.weight": weight, "a.bias": weight[0, ::2], "count": torch.tensor(3)},
        "moments": {"0": {"momentum_buffer": torch.tensor([math.nan, math.inf, -0.0])}},
        "half": torch.ones(2, dtype=torch.float16),
        "batches": [[1, 2], [3]],
        "pair": (1, None),
        "loss": math.nan,
        "text": "größe",
    }


def test_what_is_saved_comes_back(tmp_path):
    checkpoint.save(tmp_path / "new" / "folder", state())
    back = checkpoint.load(tmp_path / "new" / "folder")

    assert torch.equal(back["network"]["a.bias"], torch.ones(2))
    assert back["network"]["count"].dtype == torch.int64
    assert back["half"].dtype == torch.float16
    moment = back["moments"]["0"]["momentum_buffer"]
    assert moment.numpy().tobytes() == np.array([math.nan, math.inf, -0.0], "f4").tobytes()
    assert math.isnan(back["loss"])
    assert (back["batches"], back["pair"], back["text"]) == ([[1, 2], [3]], [1, None], "größe")


def test_shared_storage_is_saved_twice(tmp_path):
    weight = torch.arange(4.0)
    checkpoint.save(tmp_path, {"one": weight, "other": weight.view(2, 2)})
    assert torch.equal(checkpoint.load(tmp_path)["other"], weight.view(2, 2))


def test_a_saved_tensor_is_no_view_of_the_living_one(tmp_path):
    weight = torch.zeros(3)
    checkpoint.save(tmp_path, {"weight": weight})
    weight += 1
    assert torch.equal(checkpoint.load(tmp_path)["weight"], torch.zeros(3))


def test_a_later_state_replaces_the_former_and_leaves_nothing_behind(tmp_path):
    for value in (1.0, 2.0, 3.0):
        checkpoint.save(tmp_path, state(value))
        assert len(os.listdir(tmp_path)) == 2
    assert checkpoint.load(tmp_path)["network"]["a.weight"].unique().item() == 3.0


@pytest.mark.parametrize("fails", ["tensors", "state", "unlink"])
def test_a_save_that_is_cut_short_leaves_the_former_state(tmp_path, monkeypatch, fails):
    checkpoint.save(tmp_path, state(1.0))
    replace = os.replace

    def fail(source, target):
        if fails in str(target):
            raise OSError("disk full")
        replace(source, target)

    if fails == "unlink":
        # Killed before the former tensors are removed: the new state is whole already.
        monkeypatch.setattr(checkpoint.Path, "unlink", lambda *_, **__: None)
        checkpoint.save(tmp_path, state(2.0))
    else:
        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            checkpoint.save(tmp_path, state(2.0))
    monkeypatch.undo()

    wanted = 2.0 if fails == "unlink" else 1.0
    assert checkpoint.load(tmp_path)["network"]["a.weight"].unique().item() == wanted
    checkpoint.save(tmp_path, state(3.0))
    assert checkpoint.load(tmp_path)["network"]["a.weight"].unique().item() == 3.0
    assert len([name for name in os.listdir(tmp_path) if name.endswith(".safetensors")]) == 1


@pytest.mark.parametrize("odd", [object(), {1: 2}, {"x": {1, 2}}, {"__tensor__": "x"}])
def test_what_json_does_not_know_is_refused_before_anything_is_written(tmp_path, odd):
    with pytest.raises(TypeError, match="odd"):
        checkpoint.save(tmp_path, {"odd": odd})
    assert os.listdir(tmp_path) == []


def test_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"state.json: there is no checkpoint"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "\ufeff"])
def test_a_damaged_state_is_named(tmp_path, text):
    checkpoint.save(tmp_path, state())
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"state.json"):
        checkpoint.load(tmp_path)


def test_damaged_tensors_are_named(tmp_path):
    checkpoint.save(tmp_path, state())
    file = next(tmp_path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=file.name):
        checkpoint.load(tmp_path)
    file.unlink()
    with pytest.raises(CheckpointError, match=file.name):
        checkpoint.load(tmp_path)


def test_a_tensor_that_is_missing_is_named(tmp_path):
    checkpoint.save(tmp_path, state())
    file = tmp_path / "state.json"
    file.write_text(file.read_text().replace('"half"}', '"whole"}'))
    with pytest.raises(CheckpointError, match="whole: missing"):
        checkpoint.load(tmp_path)


def test_the_tensors_are_looked_for_in_the_folder_only(tmp_path):
    checkpoint.save(tmp_path / "one", state())
    checkpoint.save(tmp_path / "two", state())
    file = tmp_path / "two" / "state.json"
    document = json.loads(file.read_text())
    document["tensors"] = "../one/" + document["tensors"].replace("-1", "-9")
    file.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="two"):
        checkpoint.load(tmp_path / "two")


def test_every_generator_goes_on_where_it_stood(tmp_path):
    def draws():
        return random.random(), np.random.standard_normal(), torch.rand(3).tolist()

    np.random.standard_normal()  # leaves a cached number behind, which is part of the state
    checkpoint.save(tmp_path, checkpoint.random_state())
    wanted = draws()
    checkpoint.restore_random_state(checkpoint.load(tmp_path))
    assert draws() == wanted

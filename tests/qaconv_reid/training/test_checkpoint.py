"""A run's state on disk: exact, whole, and without pickle."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import resource
import signal

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


@pytest.mark.parametrize("which", ["tensors", "state"])
def test_bytes_that_have_changed_are_found(tmp_path, which):
    checkpoint.save(tmp_path, state())
    if which == "tensors":
        file = next(tmp_path.glob("*.safetensors"))
        content = bytearray(file.read_bytes())
        content[-20] ^= 1
        file.write_bytes(content)
    else:
        file = tmp_path / "state.json"
        file.write_text(file.read_text().replace("[[1, 2], [3]]", "[[1, 2], [4]]"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match=f"{file.name}: got other bytes than were written"):
        checkpoint.load(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_of_before_there_were_digests_is_read(tmp_path):
    checkpoint.save(tmp_path, state())
    file = tmp_path / "state.json"
    document = json.loads(file.read_text())
    del document["tensors_sha256"], document["state_sha256"]
    file.write_text(json.dumps(document))
    assert checkpoint.load(tmp_path)["text"] == "größe"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tensors": None}, "tensors: got None, wanted a valid string"),
        ({"tensors": 5}, "tensors: got 5, wanted a valid string"),
        ({"state": None}, "state: got None, wanted a valid dictionary"),
        ({"state": []}, r"state: got \[\], wanted a valid dictionary"),
    ],
)
def test_an_entry_of_another_type_is_named(tmp_path, change, said):
    checkpoint.save(tmp_path, state())
    file = tmp_path / "state.json"
    document = json.loads(file.read_text())
    for wanted, wrong in ((said, change), ("got nothing", None)):
        broken = {**document, **(wrong or {})}
        if wrong is None:
            del broken[next(iter(change))]
        file.write_text(json.dumps(broken))
        with pytest.raises(CheckpointError, match=rf"state\.json: .*{wanted}"):
            checkpoint.load(tmp_path)


def test_a_state_nested_too_deep_is_refused(tmp_path):
    checkpoint.save(tmp_path, state())
    # Python 3.13 reads some thousands.
    (tmp_path / "state.json").write_text('{"format": 1, "state": ' + "[" * 200_000)
    with pytest.raises(CheckpointError, match=r"state\.json: got no JSON \(nested too deep\)"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_anew(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, state(1.0))
    read = checkpoint._document

    def slow(folder):
        document = read(folder)
        monkeypatch.setattr(checkpoint, "_document", read)
        checkpoint.save(folder, state(2.0))
        return document

    monkeypatch.setattr(checkpoint, "_document", slow)
    assert checkpoint.load(tmp_path)["network"]["a.weight"].unique().item() == 2.0


def _limited(size, work):
    """What ``work`` says in a process whose files may have so many bytes."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            work()
            said = "written"
        except OSError as error:
            said = f"OSError {error.errno} {error}"
        except BaseException as error:
            said = repr(error)
        os.write(write, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 10_000).decode()


@pytest.mark.parametrize("size", [0, 100, 20_000, 41_000])
def test_a_file_that_has_no_room_is_an_error_of_the_system(tmp_path, size):
    """And the state before is whole; a limit of files stands for a full disk."""
    checkpoint.save(tmp_path, state(1.0))
    # The greatest lets the tensors through, and not state.json.
    large = {**state(2.0), "large": torch.zeros(10_000), "long": "x" * 50_000}
    said = _limited(size, lambda: checkpoint.save(tmp_path, large))
    assert said.startswith(f"OSError {errno.EFBIG} ")
    assert checkpoint.load(tmp_path)["network"]["a.weight"].unique().item() == 1.0
    assert len(os.listdir(tmp_path)) == 2


def test_tensors_and_state_have_one_mode(tmp_path):
    former = os.umask(0o022)
    try:
        checkpoint.save(tmp_path, state())
    finally:
        os.umask(former)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}

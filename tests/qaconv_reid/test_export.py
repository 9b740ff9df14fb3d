"""A run as ONNX: the numbers of torch, what is written beside them, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import qaconv_reid
from qaconv_reid import cli, export
from qaconv_reid.export import ExportError
from support.images import write_market
from support.trained import HEIGHT, WIDTH, write_run

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_market(home / "market", 0, 4)
    write_run(home / "run")
    m = qaconv_reid.load(home / "run", device="cpu")
    m.calibrate([0.0, 1.0, 2.0, 3.0], [False, False, True, True])
    query = home / "market" / "query"
    before = m.match(query, query).scores
    m.export(home / "out")
    # The matcher at hand is not changed.
    assert m.match(query, query).scores.equal(before)
    return home


def session(file):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("counts", [(1, 1), (1, 12), (8, 12)])
def test_it_computes_what_the_matcher_computes(home, counts):
    m = qaconv_reid.load(home / "run", device="cpu")
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (20, 3, HEIGHT, WIDTH), np.uint8)
    )
    wanted = m.features(images)
    network, matcher = (session(home / "out" / f"{name}.onnx") for name in ("network", "matcher"))
    sides, start = [], 0
    for count in counts:
        part = (images[start : start + count].numpy() / 255).astype(np.float32)
        sides.append(network.run(["maps"], {"images": part})[0])
        np.testing.assert_allclose(sides[-1], wanted[start : start + count], atol=2e-5)
        start += count
    (scores,) = matcher.run(["scores"], {"probe": sides[0], "gallery": sides[1]})
    assert scores.dtype == np.float32
    theirs = m.match(*(torch.from_numpy(side) for side in sides)).scores
    np.testing.assert_allclose(scores, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["network", "matcher"])
def test_what_it_is_stands_in_every_file(home, name):
    m = qaconv_reid.load(home / "run", device="cpu")
    model = onnx.load(home / "out" / f"{name}.onnx")
    onnx.checker.check_model(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    about = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    document = json.loads((home / "out" / "export.json").read_text())
    parity = document.pop("parity")
    assert about == {f"qaconv.{key}": value for key, value in document.items()}
    assert max(parity.values()) < 1e-4
    preprocessing = about["qaconv.preprocessing"]
    assert (preprocessing["height"], preprocessing["width"]) == (HEIGHT, WIDTH)
    assert (preprocessing["mean"], preprocessing["std"]) == ([0, 0, 0], [1, 1, 1])
    assert about["qaconv.provenance"]["checksum"] == m.checksum
    assert about["qaconv.calibration"]["slope"] == m.calibration.slope
    sizes = {i.name: list(i.shape) for i in session(home / "out" / f"{name}.onnx").get_inputs()}
    if name == "network":
        assert sizes == {"images": ["batch", 3, HEIGHT, WIDTH]}
    else:
        assert sizes == {"probe": ["probes", 16, 4, 2], "gallery": ["gallery", 16, 4, 2]}


def test_a_later_opset_computes_the_same(home, tmp_path):
    m = qaconv_reid.load(home / "run", device="cpu")
    done = m.export(tmp_path / "out", opset=export.OPSETS[-1])
    assert done.map_difference < 1e-4
    (entry,) = onnx.load(tmp_path / "out" / "matcher.onnx").opset_import
    assert entry.version == export.OPSETS[-1]


def test_a_graph_that_computes_something_else_is_not_kept(home, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_write", lambda *words: words[4].write_text("a graph"))
    monkeypatch.setattr(export, "_difference", lambda *_: float("nan"))
    m = qaconv_reid.load(home / "run", device="cpu")
    with pytest.raises(ExportError, match="maps of onnxruntime differ from torch's by nan"):
        m.export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command(home, tmp_path, capsys):
    assert cli.main(["export", str(home / "run"), "--out", str(tmp_path / "onnx")]) == 0
    out = capsys.readouterr().out
    assert "opset 18, any number of images" in out
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert names == ["export.json", "head.npz", "matcher.onnx", "network.onnx"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none", "--out", "OUT"), "none: there is no trained run"),
        (("RUN", "--out", "OUT", "--opset", "9"), "opset: got 9, wanted 18 to 23"),
        (("RUN", "--out", "FILE"), "wanted a folder that can be written to"),
        (("RUN", "--out", "FILE/deeper"), "wanted a folder that can be written to"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(home, tmp_path, capsys, words, said):
    (tmp_path / "file").write_text("a file")
    places = {"RUN": home / "run", "OUT": tmp_path / "out", "FILE": tmp_path / "file"}
    places["FILE/deeper"] = tmp_path / "file" / "deeper"
    assert cli.main(["export", *(str(places.get(word, word)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_without_the_extra_one_sentence_names_it(home, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    m = qaconv_reid.load(home / "run", device="cpu")
    with pytest.raises(ExportError, match=r"onnxscript is not installed.*qaconv-ext\[export\]"):
        m.export(tmp_path / "out")


def test_maps_are_scored_without_torch(home, tmp_path):
    """What docs/export.md shows, in a process that has no torch."""
    page = (export_page()).read_text(encoding="utf-8")
    (code,) = [block for block in page.split("```python\n")[1:] if "head.npz" in block]
    script = "import sys; sys.modules['torch'] = None\n" + code.partition("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=home,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    m = qaconv_reid.load(home / "run", device="cpu")
    images = sorted((home / "market" / "query").glob("*.jpg"))[:2]
    others = sorted((home / "market" / "bounding_box_test").glob("*.jpg"))
    wanted = m.match(images, others).scores.numpy()
    np.testing.assert_allclose(np.load(home / "scores.npy"), wanted, rtol=1e-4, atol=1e-4)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert str(wanted[0].argmax()) in lines[0]


def export_page():
    from pathlib import Path

    return Path(__file__).resolve().parents[2] / "docs" / "export.md"


def environment():
    """With this process's path, which a process of its own would lack."""
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

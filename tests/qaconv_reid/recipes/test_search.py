"""``qaconv gallery``, ``search`` and ``calibrate``, from a run's folder to an answer."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from qaconv_reid import calibration, cli
from qaconv_reid.calibration import Calibration
from qaconv_reid.gallery import Gallery
from qaconv_reid.gallery import search as stages
from qaconv_reid.recipes import answers as recipe
from support.images import write_market
from support.trained import write_run


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "market", 0, 5)
    write_run(tmp_path / "run")
    return tmp_path


@pytest.fixture(params=["people.safetensors", "people.lance"])
def place(request):
    if request.param.endswith("lance"):
        pytest.importorskip("lancedb")
    return request.param


def said(capsys, *argv):
    assert cli.main([*argv]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_from_images_to_an_answer(home, place, capsys):
    add = ("gallery", "add", "run", place, "market", "--batch-size", "4", "--device", "cpu")
    assert said(capsys, *add) == f"{place}: 15 images added; 15 in all\n"
    assert said(capsys, *add) == f"{place}: 0 images added, 15 were there; 15 in all\n"
    told = said(capsys, "gallery", "info", place)
    assert "images   15, of 5 known identities\ncameras  1: 5, 2: 5, 3: 5\n" in told
    assert "every image is scored (up to 2,000)" in told
    query = sorted(str(path) for path in (home / "market" / "query").iterdir())[:2]
    search = ("search", "run", place, *query, "-k", "3", "--where", "camera != 1")
    lines = said(capsys, *search).splitlines()
    assert [line.split(":")[0] for line in lines[::4]] == [
        *query,
        "probabilities are not calibrated",
    ]
    entries = json.loads(said(capsys, *search, "--json"))
    assert [entry["query"] for entry in entries] == query
    for entry, block in zip(entries, (lines[1:4], lines[5:8]), strict=True):
        assert not entry["calibrated"]
        assert all(hit["camera"] != 1 for hit in entry["hits"])
        for hit, line in zip(entry["hits"], block, strict=True):
            assert f"{hit['score']:8.3f}  {hit['path']}  identity {hit['identity']}" in line
    removed = said(capsys, "gallery", "remove", place, "--where", "identity = '2'")
    assert removed == f"{place}: 3 images removed; 12 in all\n"


def test_recall_of_a_shortlist_is_told(home, place, capsys, monkeypatch):
    monkeypatch.setattr(stages, "EXACT_ROWS", 10)
    monkeypatch.setattr(stages, "_LEAST", 12)
    said(capsys, "gallery", "add", "run", place, "market")
    told = said(capsys, "gallery", "info", place, "--queries", "3")
    assert "12 of 15 are scored, which keep " in told
    assert "% of the exact best 10 (3 images of the gallery as queries)" in told


def test_a_calibration_is_kept_with_the_run(home, capsys):
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    told = said(capsys, "calibrate", "run", "--data", "market", "--device", "cpu")
    fitted = Calibration.load(home / "run" / "calibration.json")
    # Each of 15 queries: two cameras beside its own, and all others' images by any camera.
    assert (fitted.same, fitted.different) == (15 * 2, 15 * 12)
    assert told.startswith("fitted on 30 pairs of one identity and 180 of different ones\n")
    assert f"of different ones 1.00% score {fitted.threshold_at(0.01):.3f} or more" in told
    query = next((home / "market" / "query").iterdir())
    (entry,) = json.loads(said(capsys, "search", "run", "g.safetensors", str(query), "--json"))
    assert entry["calibrated"]
    scores = np.array([hit["score"] for hit in entry["hits"]], np.float32)
    assert [hit["probability"] for hit in entry["hits"]] == fitted.probability(scores).tolist()


def test_a_calibration_by_camera_is_used_in_searches(home, capsys, monkeypatch):
    monkeypatch.setattr(calibration, "_ENOUGH", (2, 2))
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    told = said(capsys, "calibrate", "run", "--data", "market", "--by-camera", "--device", "cpu")
    fitted = Calibration.load(home / "run" / "calibration.json")
    assert fitted.cameras
    own = ", ".join(f"{first} and {second}" for first, second in fitted.cameras)
    assert f"of their own, with enough identities: cameras {own}\n" in told
    assert cli.main(["calibrate", "run", "--by-camera", *("--data", "market") * 2]) == 2
    assert "--by-camera: got 2 data sets, wanted one" in capsys.readouterr().err
    query = next(iter(sorted((home / "market" / "query").glob("*_c1*"))))
    argv = ("search", "run", "g.safetensors", str(query), "--json")
    (plain,), (known,) = (
        json.loads(said(capsys, *argv, *words)) for words in ((), ("--camera", "1"))
    )
    answers(capsys, "--queries", str(query), "--out", "a.jsonl")
    many = json.loads(Path("a.jsonl").read_text())
    assert many["hits"] == known["hits"][:3]
    differ = 0
    for one, other in zip(plain["hits"], known["hits"], strict=True):
        pair = fitted.of_cameras(1, other["camera"])
        assert one["probability"] == float(fitted.probability(np.float32(one["score"])))
        assert other["probability"] == float(pair.probability(np.float32(other["score"])))
        differ += one["probability"] != other["probability"]
    assert differ


def answers(capsys, *words, code=0):
    argv = ("search", "run", "g.safetensors", "--device", "cpu", "-k", "3", *words)
    assert cli.main([*argv]) == code
    return capsys.readouterr().out


def test_many_queries_are_answered_in_a_file(home, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "_PART", 4)
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    told = answers(capsys, "--queries", "market/query", "--out", "a.csv")
    assert told.startswith("a.csv: the answers of 15 queries\n")
    answers(capsys, "--queries", "market/query", "--out", "a.jsonl")
    queries = sorted(str(path) for path in (home / "market" / "query").iterdir())
    entries = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [entry["query"] for entry in entries] == queries
    with Path("a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["query"] for line in lines] == [query for query in queries for _ in range(3)]
    assert [line["rank"] for line in lines[:4]] == ["1", "2", "3", "1"]
    flat = [hit for entry in entries for hit in entry["hits"]]
    for line, hit in zip(lines, flat, strict=True):
        assert (line["path"], int(line["camera"])) == (hit["path"], hit["camera"])
        assert float(line["score"]) == hit["score"]
        assert float(line["probability"]) == hit["probability"]
    # In one batch an image may get other bits than in parts of four.
    argv = ("search", "run", "g.safetensors", queries[5], "-k", "3", "--json")
    (alone,) = json.loads(said(capsys, *argv))
    assert [hit["path"] for hit in alone["hits"]] == [hit["path"] for hit in entries[5]["hits"]]
    assert not list(home.glob("*.parts"))


def test_an_interrupted_file_goes_on_to_the_same_bytes(home, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "_PART", 4)
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    answers(capsys, "--queries", "market/query", "--out", "whole.csv")
    encode, calls = Gallery._maps, []

    def counted(self, crops):
        calls.append(len(crops))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(self, crops)

    monkeypatch.setattr(Gallery, "_maps", counted)
    words = ("--queries", "market/query", "--out", "a.csv")
    answers(capsys, *words, code=130)
    assert not Path("a.csv").exists()
    assert len(list(Path("a.csv.parts").glob("*.jsonl"))) == 2
    # Another question is not mixed with it.
    assert cli.main(["search", "run", "g.safetensors", "-k", "2", *words]) == 2
    assert "parts of a search with another k, wanted the same one" in capsys.readouterr().err
    told = answers(capsys, *words)
    assert told.startswith("going on: 2 of 4 parts are done\n")
    assert calls[3:] == [4, 3]
    assert Path("a.csv").read_bytes() == Path("whole.csv").read_bytes()
    monkeypatch.setattr(Gallery, "_maps", encode)
    Path("a.csv.parts").mkdir()
    (Path("a.csv.parts") / "search.json").write_text("{}")
    answers(capsys, *words, "--fresh")
    assert Path("a.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_a_query_that_cannot_be_read_does_not_stop_the_others(home, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "_PART", 4)
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    queries = sorted((home / "market" / "query").iterdir())
    queries[5].write_text("no image")
    told = answers(capsys, "--queries", "market/query", "--out", "a.csv", code=1)
    assert "1 of them could not be read: see error in a.csv" in told
    with Path("a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    (bad,) = [line for line in lines if line["error"]]
    assert bad["query"] == str(queries[5])
    assert "cannot be read as an image" in bad["error"]
    assert len(lines) == 14 * 3 + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "wanted images to search with, or --queries SOURCE with --out FILE"),
        (("--queries", "market/query"), "wanted images to search with, or --queries"),
        (("QUERY", "--out", "a.csv"), "wanted images to search with, or --queries"),
        (("QUERY", "--queries", "x", "--out", "a.csv"), "wanted images to search with, or"),
        (("--queries", "market/query", "--out", "a.txt"), "wanted a name ending in .csv or .jsonl"),
        (("--queries", "market/query", "--out", "no/a.csv"), "wanted a file that can be written"),
        (("--queries", "none", "--out", "a.csv"), "none: there is no such file or folder"),
        (("--queries", "bad.csv", "--out", "a.csv"), "bad.csv: lacks the column 'path'"),
    ],
)
def test_a_mistake_with_many_queries_is_said_in_a_sentence(home, capsys, words, message):
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    Path("bad.csv").write_text("file\na.png\n")
    query = str(next((home / "market" / "query").iterdir()))
    argv = ["search", "run", "g.safetensors", *words]
    assert cli.main([query if word == "QUERY" else word for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not list(home.glob("a.csv*"))


def test_images_are_looked_at_before_a_calibration(home, capsys):
    shutil.copytree("market", "other")
    broken = next(Path("other/bounding_box_test").iterdir())
    broken.write_bytes(b"no image")
    assert cli.main(["calibrate", "run", "--data", "other"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert broken.name in error
    assert not Path("run/calibration.json").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("search", "run", "none.safetensors", "a.png"), "none.safetensors: there is no such"),
        (("search", "none", "g.safetensors", "a.png"), "none: there is no trained run"),
        (("search", "other", "g.safetensors", "a.png"), "its maps were made by 'run'"),
        (("search", "run", "g.safetensors", "a.png"), "a.png: there is no such file"),
        (("search", "run", "g.safetensors", "market/query"), "with a folder, wanted files"),
        (("search", "run", "g.safetensors", "QUERY", "--where", "camra=1"), "where: got 'camra=1'"),
        (("search", "run", "g.safetensors", "QUERY", "-k", "0"), "k: got 0"),
        (("search", "run", "g.txt", "QUERY"), "wanted a name ending in .lance or .safetensors"),
        (("gallery", "add", "run", "g.safetensors", "none"), "none: there is no such file or fold"),
        (("gallery", "info", "none.safetensors"), "there is no such gallery"),
        (("gallery", "remove", "g.safetensors", "--where", ""), "where: got an empty text"),
        (("calibrate", "run", "--data", "none"), "none: there is no such file or folder"),
        (("calibrate", "run", *("--data", "market") * 2), "--data: got market twice"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(home, capsys, argv, message):
    write_run(home / "other", seed=6)
    said(capsys, "gallery", "add", "run", "g.safetensors", "market")
    query = str(next((home / "market" / "query").iterdir()))
    assert cli.main([query if word == "QUERY" else word for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error

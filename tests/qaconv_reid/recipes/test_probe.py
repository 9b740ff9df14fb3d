"""``qaconv data probe``: what is told of crops without labels, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaconv_reid import cli
from qaconv_reid.gallery import Row
from qaconv_reid.recipes.probe import ADVICE, sample
from support.images import save_images, write_market
from support.trained import write_run


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "market", 0, 5)
    write_run(tmp_path / "run")
    return tmp_path


def said(capsys, *words, code=0):
    assert cli.main(["data", "probe", *words, "--device", "cpu"]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_it_tells_agreement_and_advice(home, capsys):
    crops = "market/bounding_box_test"
    told = said(capsys, crops, "--run", "run")
    lines = told.splitlines()
    assert lines[0] == "15 images of 3 cameras"
    assert lines[1].startswith("agreement 0.") or lines[1].startswith("agreement 1.00")
    assert lines[2] == "distance to the training images not known: they are not there"
    agreement = float(lines[1].split()[1].rstrip(":"))
    assert lines[3].startswith(next(text for least, text in ADVICE if agreement >= least))
    settings = home / "run" / "config.toml"
    write_market(home / "trained", 3, 5)
    settings.write_text(settings.read_text().replace("train = []", 'train = ["trained"]'))
    told = said(capsys, crops, "--run", "run").splitlines()
    assert "of their own spread" in told[2]
    assert told[1] == lines[1]


def test_labels_are_not_used(home, capsys):
    before = said(capsys, "market/bounding_box_test", "--run", "run")
    folder = home / "unlabeled"
    folder.mkdir()
    lines = ["path,camera"]
    for number, image in enumerate(sorted(Path("market/bounding_box_test").iterdir())):
        (folder / f"{number}.jpg").write_bytes(image.read_bytes())
        lines.append(f"{number}.jpg,{image.name.partition('_c')[2][0]}")
    (folder / "crops.csv").write_text("\n".join(lines))
    assert said(capsys, "unlabeled/crops.csv", "--run", "run") == before


def test_a_sample_takes_the_same_part_of_each_camera():
    rows = [Row(f"{n:03}", camera=c) for n in range(100) for c in (1, 2)] + [Row("none")]
    chosen = sample(rows, 40)
    for camera in (1, 2):
        paths = [row.path for row in chosen if row.camera == camera]
        assert paths == [f"{n:03}" for n in range(40, 60)]
    assert len(sample(rows, 1000)) == 200
    timed = [Row(f"{99 - n:03}", camera=1, time=float(n)) for n in range(100)]
    assert [row.time for row in sample(timed, 4)] == [48.0, 49.0, 50.0, 51.0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none", "--run", "run"), "none: there is no such file or folder"),
        (("market", "--run", "none"), "none: there is no trained run"),
        (("own", "--run", "run"), "got 0 images of 0 known cameras, wanted several of two"),
        (("one", "--run", "run"), "got 2 images of 1 known cameras, wanted several of two"),
        (("market", "--run", "run", "--images", "1"), "--images: got 1, wanted at least 2"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(home, capsys, words, message):
    save_images(home / "own", ["a.png", "b.png"])
    save_images(home / "one", ["0001_c1_0.png", "0002_c1_0.png"])
    error = said(capsys, *words, code=2)
    assert error.count("\n") == 1
    assert message in error

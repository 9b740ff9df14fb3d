"""``qaconv match``: two images, a score, a picture."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from qaconv_reid import cli
from qaconv_reid.config import load
from qaconv_reid.recipes.probability import probability
from support.images import draw_person

SMALL = ("--untrained", "tiny", "model.height=64", "model.width=32")


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for camera, path in enumerate(paths):
        draw_person(1, camera).save(path)
    return [str(path) for path in paths]


def test_a_score_and_a_picture(images, tmp_path, capsys):
    file = tmp_path / "new" / "why.png"
    assert cli.main(["match", *images, *SMALL, "--draw", str(file)]) == 0
    out = capsys.readouterr().out
    assert "score " in out
    assert "probability" not in out  # no loss has made the score a logit
    assert f"picture in {file}" in out
    with Image.open(file) as picture:
        assert picture.format == "PNG"
    assert list(file.parent.iterdir()) == [file]


def test_an_image_with_itself_scores_more(images, capsys):
    scores = []
    for other in images:
        assert cli.main(["match", images[0], other, *SMALL]) == 0
        scores.append(float(capsys.readouterr().out.partition("score ")[2].split()[0]))
    assert scores[0] > scores[1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--draw", "why.txt"), "--draw: got why.txt, wanted a file ending in .png"),
        (("--top", "-1"), "--top: got -1, wanted at least 0"),
        (("--threshold", "nan"), "--threshold: got nan, wanted a number of at least 0"),
        (("--base", "inf"), "--base: got inf, wanted a finite number"),
    ],
)
def test_a_wrong_option_is_named(images, capsys, argv, said):
    assert cli.main(["match", *images, *SMALL, *argv]) == cli.USER_ERROR
    assert said in capsys.readouterr().err


def test_what_is_no_image_is_named(images, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    assert cli.main(["match", images[0], str(bad), *SMALL]) == cli.USER_ERROR
    assert f"{bad}: cannot be read as an image" in capsys.readouterr().err


def test_a_probability_only_where_the_loss_made_it():
    logits, margins = load(None, ["loss.kind=pairwise"]), load(None, ["loss.kind=triplet"])
    assert probability(0.0, logits, trained=True) == 0.5
    assert probability(math.log(3), logits, trained=True) == pytest.approx(0.75)
    assert probability(-1000.0, logits, trained=True) == 0
    assert probability(1000.0, logits, trained=True) == 1
    assert probability(0.0, margins, trained=True) is None
    assert probability(0.0, logits, trained=False) is None

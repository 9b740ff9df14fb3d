"""``qaconv match``: two images, a score, a picture."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from qaconv_reid import cli
from qaconv_reid.build import build_models, find_hardware
from qaconv_reid.calibration import sigmoid
from qaconv_reid.config import load
from qaconv_reid.matcher import Matcher
from qaconv_reid.recipes.probability import chance_of
from qaconv_reid.restore import Restored
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
    assert f"image in {file}" in out
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


@pytest.fixture
def chance(tmp_path):
    """From a loss to what a score is as a probability, by the rule of the run in a folder."""

    def make(loss, *, trained=True):
        sizes = ["model.height=64", "model.width=32"]
        config = load("tiny", [f"loss.kind={loss}", f"output={tmp_path}", "name=run", *sizes])
        hardware = find_hardware(config.runtime)
        models = Restored(*build_models(config, hardware.device), epochs=1)
        return chance_of(models, config, hardware, trained=trained), models, config, hardware

    return make


def test_a_probability_only_where_the_loss_made_it(chance):
    as_logit, *_ = chance("pairwise")
    assert as_logit(0.0) == 0.5
    assert as_logit(math.log(3)) == pytest.approx(0.75)
    assert as_logit(-1000.0) == 0
    assert as_logit(1000.0) == 1
    assert chance("triplet")[0](0.0) is None
    assert chance("pairwise", trained=False)[0](0.0) is None


def test_a_calibrated_run_tells_what_its_matcher_tells(chance):
    _, models, config, hardware = chance("triplet")
    config.directory.mkdir()
    matcher = Matcher(models, config, hardware, folder=config.directory)
    matcher.calibrate([3.0, 4.0, 2.0, 0.0, 1.0, 2.5], [True, True, True, False, False, False])
    told = chance_of(models, config, hardware, trained=True)
    assert told(2.0) == pytest.approx(float(matcher.probability(2.0)))
    assert told(2.0) != pytest.approx(float(sigmoid(2.0)))

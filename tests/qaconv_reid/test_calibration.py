"""Probabilities and thresholds: against known odds, against a count, against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qaconv_reid.calibration import Calibration, CalibrationError, sigmoid


def pairs(count=4000, share=0.1, seed=0):
    """Scores whose true log odds, at even odds, are ``2·score - 1``."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < share
    # Two normal distributions of one variance: their log ratio is affine in the score.
    return rng.normal(np.where(same, 1.5, -0.5), 1.0), same


def test_the_true_odds_are_found():
    fitted = Calibration.fit(*pairs(40_000))
    assert fitted.slope == pytest.approx(2, rel=0.05)
    assert fitted.offset == pytest.approx(-1, abs=0.1)
    assert fitted.probability(0.5) == pytest.approx(0.5, abs=0.02)


def test_other_odds_shift_the_probability():
    fitted = Calibration.fit(*pairs())
    even = fitted.probability([0.0, 1.0])
    rare = fitted.probability([0.0, 1.0], prior=0.01)
    np.testing.assert_allclose(rare / (1 - rare), even / (1 - even) * 0.01 / 0.99)


def test_against_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    scores, same = pairs()
    model = linear_model.LogisticRegression(C=1e9, class_weight="balanced", tol=1e-10)
    model.fit(scores[:, None], same)
    fitted = Calibration.fit(scores, same)
    # Platt's targets stand a little off 0 and 1.
    assert fitted.slope == pytest.approx(model.coef_[0, 0], rel=0.02)
    assert fitted.offset == pytest.approx(model.intercept_[0], abs=0.02)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.037, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["float32", "float64", "ties"])
def test_no_more_errors_than_asked_for(rate, kind):
    scores, same = pairs()
    scores = scores.round(1) if kind == "ties" else scores.astype(kind)
    different = scores[~same]
    fitted = Calibration.fit(scores, same)
    threshold = fitted.threshold_at(rate)
    reached = (different >= different.dtype.type(threshold)).mean()
    assert reached <= rate
    if kind != "ties":
        # One of the kept thresholds lies within a few hundredths of every rate.
        assert reached >= 0.95 * rate - 2 / len(different)


def test_pairs_without_an_error_keep_it_finite():
    fitted = Calibration.fit([-2.0, -1.0, 1.0, 2.0] * 5, [False, False, True, True] * 5)
    chances = fitted.probability([-2.0, 0.0, 2.0])
    assert 0 < chances[0] < 0.1
    assert chances[1] == pytest.approx(0.5)
    assert 0.9 < chances[2] < 1


def test_it_comes_back_from_its_file(tmp_path):
    fitted = Calibration.fit(*pairs(), model="abc")
    fitted.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == fitted
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    ("scores", "same", "said"),
    [
        ([1.0, 2.0], [True], r"same: got bool of shape \[1\]"),
        ([1.0, 2.0], [1, 0], "same: got int64"),
        ([1.0, np.nan], [True, False], "not finite"),
        ([1.0, 2.0, 3.0], [True, False, False], "got 1 pairs of one identity and 2"),
        ([1.0, 2.0, 3.0, 4.0], [True, True, False, False], "score no higher"),
    ],
)
def test_pairs_that_cannot_be_used_are_named(scores, same, said):
    with pytest.raises(CalibrationError, match=said):
        Calibration.fit(scores, same)


def test_what_it_cannot_tell_is_refused(tmp_path):
    fitted = Calibration.fit(*pairs())
    with pytest.raises(CalibrationError, match=r"got 1e-09, wanted 0\.0002"):
        fitted.threshold_at(1e-9)
    with pytest.raises(CalibrationError, match="prior: got 1"):
        fitted.probability(0.0, prior=1)
    path = tmp_path / "calibration.json"
    for text in ("[]", "{", json.dumps({"format": 2}), json.dumps({"format": 1, "slope": 1})):
        path.write_text(text)
        with pytest.raises(CalibrationError, match="cannot be read as a calibration"):
            Calibration.load(path)


def test_the_sigmoid_does_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(sigmoid([-1e4, 0.0, 1e4]), [0, 0.5, 1])

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


def two_sites(count=6000, seed=0, identities=400):
    """Scores of cameras 1 and 2 as of `pairs`, those of 1 and 3 higher by 1; few of 2 and 3."""
    scores, same = pairs(count, seed=seed)
    other = np.random.default_rng(100 + seed).choice(3, count, p=[0.49, 0.49, 0.02])
    first, second = np.array([(1, 2), (3, 1), (2, 3)])[other].T
    known = {"cameras": (first, second), "identities": np.arange(count) % identities}
    return scores + (other == 1), same, known


def test_two_cameras_with_enough_identities_have_their_own():
    scores, same, known = two_sites()
    cameras = known["cameras"]
    fitted = Calibration.fit(scores, same, **known)
    assert list(fitted.cameras) == [(1, 2), (1, 3)]
    pooled = Calibration.fit(scores, same)
    assert (fitted.slope, fitted.thresholds) == (pooled.slope, pooled.thresholds)
    # Where both odds are even: at 0.5, and 1 higher for the others, whichever comes first.
    for pair, even in (((1, 2), 0.5), ((1, 3), 1.5), ((3, 1), 1.5)):
        # The slope is that of all, and less than theirs.
        assert fitted.probability(even, cameras=pair) == pytest.approx(0.5, abs=0.06)
        assert pooled.probability(even) != pytest.approx(0.5, abs=0.1)
        assert fitted.of_cameras(*pair).probability(even) == fitted.probability(even, cameras=pair)
    for pair in ((2, 3), (-1, 2), (8, 9)):
        assert fitted.probability(1.0, cameras=pair) == pooled.probability(1.0)
    assert fitted.of_cameras(None, 2) is fitted
    for other in (2, 3):
        kept = ~same & ((cameras[0] == 3) == (other == 3)) & (np.maximum(*cameras) == other)
        kept &= np.minimum(*cameras) == 1
        rate = (scores[kept] >= fitted.of_cameras(1, other).threshold_at(0.1)).mean()
        assert 0.09 < rate <= 0.1


def test_cameras_broadcast_and_serve_identities_not_fitted_on():
    scores, same, known = two_sites()
    fitted = Calibration.fit(scores, same, **known)
    scores, same, known = two_sites(seed=1)
    chances = fitted.probability(scores, cameras=known["cameras"])

    def loss(p):
        return -(np.log(p[same]).mean() + np.log(1 - p[~same]).mean()) / 2

    assert loss(chances) < loss(fitted.probability(scores)) - 0.02
    grid = fitted.probability(np.ones((2, 3)), cameras=(np.array([[1], [3]]), np.array([2, 3, -1])))
    wanted = [
        [float(fitted.of_cameras(a, b).probability(1.0)) for b in (2, 3, None)] for a in (1, 3)
    ]
    assert grid.tolist() == wanted


def test_few_identities_move_the_odds_less():
    scores, same, known = two_sites()
    moved = []
    for count in (10, 30, 100, 1000):
        few = {**known, "identities": known["identities"] % count}
        fitted = Calibration.fit(scores, same, **few)
        moved.append(abs(fitted.cameras[1, 3].offset - fitted.offset))
    assert moved == sorted(moved)
    assert 0.1 < moved[0] < 0.7 * moved[-1]
    few = {**known, "identities": known["identities"] % 9}
    assert Calibration.fit(scores, same, **few).cameras == {}
    with pytest.raises(CalibrationError, match="identities: got None, wanted those of the pairs"):
        Calibration.fit(scores, same, cameras=known["cameras"])


def test_cameras_are_kept(tmp_path):
    scores, same, known = two_sites()
    fitted = Calibration.fit(scores, same, **known, model="0123")
    fitted.save(tmp_path / "calibration.json")
    again = Calibration.load(tmp_path / "calibration.json")
    assert again == fitted
    assert again.digest == fitted.digest != Calibration.fit(scores, same, model="0123").digest
    document = json.loads((tmp_path / "calibration.json").read_text())
    assert [entry["of"] for entry in document["cameras"]] == [[1, 2], [1, 3]]
    # As it was written before there were cameras.
    del document["cameras"]
    (tmp_path / "calibration.json").write_text(json.dumps(document))
    assert Calibration.load(tmp_path / "calibration.json").cameras == {}

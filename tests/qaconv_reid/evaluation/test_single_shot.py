"""One gallery image of every person, drawn by lot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qaconv_reid.evaluation import blocks, evaluate_ranking, evaluate_single_shot


def random_case(seed, queries=12, gallery=60, persons=8, cameras=2):
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(queries, gallery)),
        random.integers(persons, size=queries),
        random.integers(cameras, size=queries),
        random.integers(persons, size=gallery),
        random.integers(cameras, size=gallery),
    )


def test_with_one_image_of_each_there_is_nothing_to_draw():
    """A gallery that has one image of every person by the other camera: the plain ranking."""
    scores = np.random.default_rng(0).normal(size=(6, 6))
    labels = (range(6), [1] * 6, range(6), [2] * 6)
    shot = evaluate_single_shot([scores], *map(list, labels))
    plain = evaluate_ranking([scores], *map(list, labels), rule="cross-camera")
    np.testing.assert_allclose(shot.cmc, plain.cmc)
    assert shot.mAP == pytest.approx(plain.mAP)
    assert shot.first_match.tolist() == plain.first_match.tolist()
    assert (shot.ranks == plain.first_match).all()


def test_the_means_are_those_of_all_that_may_be_drawn():
    """Three images of one person, one of another: each of the three is drawn as often."""
    scores = torch.tensor([[0.9, 0.1, 0.2, 0.5]])
    shot = evaluate_single_shot([scores], [7], [1], [7, 7, 7, 8], [2] * 4, repeats=3000)
    assert shot.cmc[0] == pytest.approx(1 / 3, abs=0.03)
    assert shot.cmc[1] == 1
    assert shot.mAP == pytest.approx(1 / 3 + 2 / 3 / 2, abs=0.02)
    assert shot.hits(1).tolist() == [pytest.approx(shot.cmc[0])]


def test_ranks_are_among_the_drawn_only():
    case = random_case(1)
    shot = evaluate_single_shot([case[0]], *case[1:])
    counted = shot.first_match > 0
    assert shot.ranks.shape == (10, 12)
    assert shot.ranks[:, counted].min() >= 1
    assert shot.ranks.max() <= 8  # persons
    assert (shot.ranks[:, ~counted] == 0).all()
    np.testing.assert_allclose(shot.cmc[0], (shot.ranks[:, counted] == 1).mean())
    np.testing.assert_allclose(
        shot.average_precision[counted], (1 / shot.ranks[:, counted]).mean(axis=0)
    )


def test_the_seed_decides_and_blocks_do_not(monkeypatch):
    case = random_case(2)
    whole = evaluate_single_shot([case[0]], *case[1:])
    monkeypatch.setattr(blocks, "_CELLS_AT_ONCE", 100)
    parts = evaluate_single_shot([case[0][:5], case[0][5:]], *case[1:])
    assert (parts.ranks == whole.ranks).all()
    other = evaluate_single_shot([case[0]], *case[1:], seed=1)
    assert (other.ranks != whole.ranks).any()


def test_queries_without_a_match_are_not_counted():
    shot = evaluate_single_shot([np.zeros((2, 2))], [1, 5], [1, 1], [1, 2], [2, 2])
    assert (shot.queries, shot.counted) == (2, 1)
    assert np.isnan(shot.average_precision[1])
    with pytest.raises(ValueError, match="got no query with a match"):
        evaluate_single_shot([np.zeros((1, 2))], [5], [1], [1, 2], [2, 2])
    with pytest.raises(ValueError, match="repeats: got 0, wanted at least 1"):
        evaluate_single_shot([np.zeros((1, 2))], [1], [1], [1, 2], [2, 2], repeats=0)

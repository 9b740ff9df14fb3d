"""Whether probabilities hold: against a plain loop, and against pairs drawn by them."""

from __future__ import annotations

import numpy as np
import pytest

from qaconv_reid.evaluation import Reliability


def test_against_a_plain_loop():
    generator = np.random.default_rng(0)
    chances, same = generator.random((30, 40)), generator.random((30, 40)) < 0.1
    chances[0, :2] = 0, 1  # both ends have a place
    found = Reliability()
    for rows in (slice(0, 7), slice(7, 30)):
        found.add(chances[rows], same[rows])
    assert found.pairs == (int(same.sum()), int((~same).sum()))
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    error = 0.0
    for number, row in enumerate(found.bins()):
        inside = np.minimum(np.floor(chances * 10), 9) == number
        assert (row.same, row.different) == (inside[same].sum(), inside[~same].sum())
        assert row.probability == pytest.approx(
            (weight * chances)[inside].sum() / weight[inside].sum()
        )
        assert row.share == pytest.approx(weight[inside & same].sum() / weight[inside].sum())
        error += weight[inside].sum() * abs(row.probability - row.share)
    assert found.error == pytest.approx(error)


def test_probabilities_that_hold_are_told_from_others():
    generator = np.random.default_rng(1)
    chances = generator.random(200_000)
    same = generator.random(200_000) < chances
    true, false = Reliability(), Reliability()
    true.add(chances, same)
    false.add(np.sqrt(chances), same)
    assert true.error < 0.01
    assert false.error > 0.1


def test_of_one_kind_alone_nothing_is_said():
    found = Reliability()
    found.add([0.1, 0.2], [False, False])
    assert (found.bins(), found.error) == ([], 0)

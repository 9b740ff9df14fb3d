"""Intervals and comparisons: over identities, seeded, right where the answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qaconv_reid.evaluation import (
    compare,
    confidence_interval,
    evaluate_ranking,
    interval_of_means,
)


def test_an_interval_is_that_of_the_normal_distribution_where_identities_are_many():
    random = np.random.default_rng(0)
    values = random.normal(size=2000)
    low, high = confidence_interval(values, np.arange(2000), draws=4000)
    error = values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_identities_are_drawn_and_not_queries():
    """Ten queries of one identity that are all alike say as much as one of them."""
    values = np.random.default_rng(1).normal(size=100)
    alone = confidence_interval(values, np.arange(100))
    tenfold = confidence_interval(np.repeat(values, 10), np.repeat(np.arange(100), 10))
    assert tenfold == pytest.approx(alone)


def test_what_is_not_counted_changes_nothing_and_the_seed_decides():
    values, persons = np.random.default_rng(2).random(40), np.arange(40) // 2
    plain = confidence_interval(values, persons)
    more = confidence_interval([*values, np.nan], [*persons, 99])
    assert more == plain
    assert confidence_interval(values, persons, seed=1) != plain
    wide = confidence_interval(values, persons, level=0.99)
    assert wide.low < plain.low < values.mean() < plain.high < wide.high
    assert confidence_interval([0.5] * 4, [1, 1, 2, 3]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("message", "values", "pids", "options"),
    [
        ("level: got 1", [1.0], [1], {"level": 1}),
        ("draws: got 0", [1.0], [1], {"draws": 0}),
        (r"pids: got shape \[2\] for values \[1\]", [1.0], [1, 2], {}),
        ("values: got none that is counted", [np.nan], [1], {}),
    ],
)
def test_bad_input_is_named(message, values, pids, options):
    with pytest.raises(ValueError, match=message):
        confidence_interval(values, pids, **options)


def two_rankings(noise, queries=60, gallery=120, persons=12):
    random = np.random.default_rng(3)
    who, found = random.integers(persons, size=queries), random.integers(persons, size=gallery)
    signal = (who[:, None] == found) * 1.5
    rankings = [
        evaluate_ranking([signal + n * random.normal(size=signal.shape)], who, None, found, None)
        for n in noise
    ]
    return *rankings, who


def test_a_clear_difference_is_found():
    worse, better, who = two_rankings((1.5, 0.5))
    result = compare(worse, better, who)
    assert result.mAP.value == pytest.approx(better.mAP - worse.mAP)
    assert result.rank1.value == pytest.approx(better.rank(1) - worse.rank(1))
    assert 0 < result.mAP.interval.low < result.mAP.value < result.mAP.interval.high
    assert result.mAP.p_value < 0.01
    assert (better.first_match[result.gained] == 1).all()
    assert (worse.first_match[result.gained] > 1).all()
    changed = (len(result.gained) - len(result.lost)) / 60
    assert result.rank1.value == pytest.approx(changed)
    back = compare(better, worse, who)
    assert back.mAP.value == -result.mAP.value
    assert back.lost.tolist() == result.gained.tolist()


def test_no_difference_is_no_difference():
    one, other, who = two_rankings((1.0, 1.0))
    assert compare(one, one, who).mAP.p_value == 1
    assert compare(one, one, who).gained.size == 0
    assert compare(one, other, who).mAP.p_value > 0.05


def test_the_p_value_is_the_share_of_all_signs():
    one, other, who = two_rankings((1.2, 0.9), persons=8)
    gain = other.average_precision - one.average_precision
    sums = [gain[who == person].sum() for person in np.unique(who)]
    signs = itertools.product((1, -1), repeat=len(sums))
    reached = [abs(np.dot(s, sums)) >= abs(sum(sums)) - 1e-12 for s in signs]
    assert compare(one, other, who).mAP.p_value == pytest.approx(np.mean(reached), abs=0.015)


def test_other_queries_cannot_be_compared():
    one, *_ = two_rankings((1.0, 1.0))
    other, _, who = two_rankings((1.0, 1.0), queries=50)
    with pytest.raises(ValueError, match="got 50 of 50 queries counted, wanted those of first"):
        compare(one, other, who)
    with pytest.raises(ValueError, match="draws: got 0"):
        compare(one, one, who, draws=0)


def test_identities_of_several_parts_are_drawn_together():
    """Two parts that are alike, of the same people, say no more than one; of others they do."""
    random = np.random.default_rng(4)
    values, persons = random.random(300), np.arange(300) // 3
    alone = confidence_interval(values, persons)
    assert interval_of_means([(values, persons)]) == pytest.approx(alone)
    assert interval_of_means([(values, persons)] * 2) == pytest.approx(alone)
    opposite = interval_of_means([(values, persons), (1 - values, persons)])
    assert opposite == pytest.approx((0.5, 0.5))
    low, high = interval_of_means([(values, persons), (values, persons + 100)], draws=4000)
    assert high - low == pytest.approx((alone.high - alone.low) / 2**0.5, rel=0.1)


def test_the_interval_of_means_is_of_means_and_not_of_all_queries():
    values = np.random.default_rng(5).random(1000)
    parts = [(values, np.arange(1000)), ([0.0, 0.0, np.nan], [2000, 2001, 2002])]
    low, high = interval_of_means(parts)
    assert low < values.mean() / 2 < high < 0.3
    with pytest.raises(ValueError, match="parts: got none, wanted at least one"):
        interval_of_means([])

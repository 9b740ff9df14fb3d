"""Temporal lifting against a plain loop over the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qaconv_reid.evaluation import temporal_lifting
from support.devices import on_every_device


def by_hand(scores, qc, gc, qt, gt, tau=100.0, sigma=200.0, neighbors=10, alpha=0.2):
    """Query by query and gallery image by gallery image; None: not known."""
    result = np.empty_like(scores)
    for i in range(len(scores)):
        together = [
            k
            for k in range(len(scores))
            if None not in (qc[i], qt[i], qt[k]) and qc[k] == qc[i] and abs(qt[k] - qt[i]) < tau
        ]
        for j in range(scores.shape[1]):
            weight = 0.0
            if None not in (gc[j], gt[j]):
                met = [
                    (scores[k, g], gt[g])
                    for k in together
                    for g in range(scores.shape[1])
                    if gc[g] == gc[j] and gt[g] is not None
                ]
                values = sorted((value for value, _ in met), reverse=True)
                if met:
                    least = values[:neighbors][-1]
                    pivots = [time for value, time in met if value >= least]
                    weight = np.mean([np.exp(-(((gt[j] - t) / sigma) ** 2)) for t in pivots])
            result[i, j] = (weight + alpha) * scores[i, j]
    return result


def random_case(seed, queries=14, gallery=40, cameras=3, span=600, unknown=0.0, levels=None):
    random = np.random.default_rng(seed)

    def perhaps(values):
        return [None if random.random() < unknown else value for value in values.tolist()]

    scores = random.random((queries, gallery))
    if levels:
        scores = np.round(scores * levels) / levels
    return (
        scores,
        perhaps(random.integers(cameras, size=queries)),
        perhaps(random.integers(cameras, size=gallery)),
        perhaps(random.integers(span, size=queries) / 1.0),
        perhaps(random.integers(span, size=gallery) / 25),
    )


def assert_equal_to_hand(case, **options):
    lifted = temporal_lifting(*case, **options)
    np.testing.assert_allclose(lifted, by_hand(*case, **options), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_settings(seed):
    assert_equal_to_hand(random_case(seed))


def test_other_settings():
    options = {"tau": 37.0, "sigma": 11.5, "neighbors": 3, "alpha": 0.7}
    assert_equal_to_hand(random_case(3), **options)
    assert_equal_to_hand(random_case(4), neighbors=1, alpha=0.0)


@pytest.mark.parametrize("levels", [1, 3])
def test_all_that_equal_the_last_of_the_best_are_pivots(levels):
    assert_equal_to_hand(random_case(5, levels=levels), neighbors=4)


def test_what_is_not_known_takes_no_part_and_keeps_its_order():
    case = random_case(6, unknown=0.3)
    assert_equal_to_hand(case)
    alone = next(i for i, time in enumerate(case[3]) if time is None)
    lifted = temporal_lifting(*case)
    np.testing.assert_allclose(lifted[alone], 0.2 * case[0][alone])


def test_nothing_is_known():
    scores, *_ = random_case(7)
    nothing = [[None] * 14, [None] * 40]
    np.testing.assert_allclose(temporal_lifting(scores, None, None, *nothing), 0.2 * scores)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 9),
    gallery=st.integers(1, 20),
    cameras=st.integers(1, 4),
    neighbors=st.integers(1, 12),
    unknown=st.sampled_from([0.0, 0.4]),
    levels=st.sampled_from([None, 2]),
)
def test_any_case(seed, queries, gallery, cameras, neighbors, unknown, levels):
    case = random_case(seed, queries, gallery, cameras, 300, unknown, levels)
    assert_equal_to_hand(case, neighbors=neighbors)


def test_companions_are_nearer_than_tau():
    """Two queries exactly tau apart are none of each other's."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    case = (scores, [1, 1], [2, 2], [0.0, 100.0], [0.0, 5000.0])
    lifted = temporal_lifting(*case, neighbors=1)
    np.testing.assert_allclose(lifted, [[1.2 * 0.9, 0.02], [0.04, 1.2 * 0.8]], atol=1e-12)
    lifted = temporal_lifting(*case, neighbors=1, tau=100.1)
    np.testing.assert_allclose(lifted, [[1.2 * 0.9, 0.02], [1.2 * 0.2, 0.2 * 0.8]], atol=1e-12)


@on_every_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_of_both_types_on_every_device(dtype, device):
    scores, *rest = random_case(8)
    lifted = temporal_lifting(torch.tensor(scores, dtype=dtype, device=device), *rest)
    assert (lifted.dtype, lifted.device.type) == (dtype, device)
    tolerance = 1e-8 if dtype == torch.float64 else 1e-6
    wanted = torch.tensor(by_hand(scores, *rest))
    torch.testing.assert_close(lifted.double().cpu(), wanted, rtol=0, atol=tolerance)


def test_labels_may_be_arrays_or_tensors():
    case = random_case(9)
    plain = temporal_lifting(*case)
    for kind in (np.asarray, lambda part: torch.tensor(np.asarray(part))):
        lifted = temporal_lifting(case[0], *(kind(part) for part in case[1:]))
        np.testing.assert_array_equal(lifted, plain)


def test_blocks_of_any_size_say_the_same(monkeypatch):
    case = random_case(10)
    whole = temporal_lifting(*case)
    monkeypatch.setitem(temporal_lifting.__globals__, "_CELLS_AT_ONCE", 1)
    np.testing.assert_array_equal(temporal_lifting(*case), whole)


@pytest.mark.parametrize(
    ("message", "change", "options"),
    [
        ("tau: got 0, wanted more than 0", {}, {"tau": 0}),
        ("sigma: got -1", {}, {"sigma": -1}),
        ("neighbors: got 0", {}, {"neighbors": 0}),
        ("alpha: got -0.1", {}, {"alpha": -0.1}),
        (r"scores: got shape \[2, 3\], wanted \[queries, 4\]", {0: np.zeros((2, 3))}, {}),
        ("scores: got torch.int64", {0: np.zeros((2, 4), np.int64)}, {}),
        ("scores: got NaN", {0: np.full((2, 4), np.nan)}, {}),
        ("scores: got 3 rows, wanted one for each of 2", {0: np.zeros((3, 4))}, {}),
        ("query_times: got 1 for 2 query_cameras", {3: [1.0]}, {}),
        ("gallery_times: got infinity", {4: [np.inf] * 4}, {}),
    ],
)
def test_bad_input_is_named(message, change, options):
    case = [np.zeros((2, 4)), [1, 1], [1, 1, 2, 2], [0.0, 1.0], [0.0, 1.0, 2.0, 3.0]]
    for place, value in change.items():
        case[place] = value
    with pytest.raises(ValueError, match=message):
        temporal_lifting(*case, **options)

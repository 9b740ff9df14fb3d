"""Re-ranking: the sparse form says what the dense one says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qaconv_reid.evaluation import k_reciprocal, rerank, rerank_among
from qaconv_reid.evaluation.nearest import NearestRows
from support.dense_rerank import dense_rerank
from support.devices import on_every_device


def distances(queries, gallery, seed=0, persons=6, levels=None, symmetric=True):
    """Three matrices of a set of noisy people; ``levels`` rounds them, for ties."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(persons, 5))
    who = random.integers(persons, size=queries + gallery)
    points = centers[who] + 0.6 * random.normal(size=(queries + gallery, 5))
    whole = np.linalg.norm(points[:, None] - points[None], axis=2)
    if not symmetric:
        whole = whole + 0.2 * random.random(whole.shape)
    if levels:
        whole = np.round(whole * levels) / levels
    return whole[:queries, queries:], whole[:queries, :queries], whole[queries:, queries:]


def assert_equal_to_dense(case, tolerance=1e-9, **options):
    np.testing.assert_allclose(
        rerank(*case, **options), dense_rerank(*case, **options), rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_default_numbers_of_neighbors(seed):
    assert_equal_to_dense(distances(30, 90, seed))


@pytest.mark.parametrize(
    ("k1", "k2", "weight"), [(20, 1, 0.3), (7, 3, 0.0), (5, 12, 0.5), (1, 1, 1.0), (9, 2, 0.3)]
)
def test_other_numbers_of_neighbors(k1, k2, weight):
    assert_equal_to_dense(distances(25, 70, 4), k1=k1, k2=k2, weight=weight)


@pytest.mark.parametrize("levels", [1, 3, 10])
def test_of_equal_distances_the_lower_number_is_nearer(levels):
    assert_equal_to_dense(distances(30, 80, 1, levels=levels))


def test_distances_that_are_not_symmetric():
    assert_equal_to_dense(distances(25, 60, 2, symmetric=False))


def test_fewer_images_than_neighbors():
    assert_equal_to_dense(distances(2, 3, 5))
    assert_equal_to_dense(distances(1, 1, 5))


@pytest.mark.parametrize("queries", [1, 20, 59])
def test_a_set_among_itself_is_the_same_set_cut_in_two(queries):
    across, first, second = distances(queries, 60 - queries, 3)
    whole = np.block([[first, across], [across.T, second]])
    found = rerank_among(torch.from_numpy(whole))
    np.testing.assert_allclose(
        found[:queries, queries:], dense_rerank(across, first, second), rtol=0, atol=1e-9
    )


def test_all_alike():
    zeros = (np.zeros((3, 4)), np.zeros((3, 3)), np.zeros((4, 4)))
    assert_equal_to_dense(zeros)


def test_negative_distances_count_as_their_squares():
    across, queries, gallery = distances(20, 40, 6)
    queries -= 1e-3 * np.eye(20)
    gallery[3, 7] *= -1
    assert_equal_to_dense((across, queries, gallery))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    gallery=st.integers(1, 40),
    k1=st.integers(1, 24),
    k2=st.integers(1, 9),
    levels=st.sampled_from([None, 2, 5]),
)
def test_any_case(seed, queries, gallery, k1, k2, levels):
    assert_equal_to_dense(distances(queries, gallery, seed, levels=levels), k1=k1, k2=k2)


@on_every_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_of_both_types_on_every_device(dtype, device):
    case = [torch.tensor(matrix, dtype=dtype, device=device) for matrix in distances(30, 90, 3)]
    result = rerank(*case)
    assert (result.dtype, result.device) == (dtype, case[0].device)
    wanted = dense_rerank(*(matrix.double().cpu().numpy() for matrix in case))
    torch.testing.assert_close(result.double().cpu(), torch.tensor(wanted), rtol=0, atol=1e-5)


def test_arrays_give_arrays_and_are_left_as_they_were():
    case = [matrix.astype(np.float32) for matrix in distances(10, 20)]
    before = [matrix.copy() for matrix in case]
    result = rerank(*case)
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float32
    for matrix, was in zip(case, before, strict=True):
        np.testing.assert_array_equal(matrix, was)


@pytest.mark.parametrize("entries", [1, 500])
def test_blocks_of_any_size_say_the_same(monkeypatch, entries):
    case = distances(20, 50, 7)
    whole = rerank(*case)
    monkeypatch.setattr(k_reciprocal, "_ENTRIES_AT_ONCE", entries)
    monkeypatch.setitem(rerank.__globals__, "_ROWS", 7)
    np.testing.assert_allclose(rerank(*case), whole, rtol=0, atol=1e-12)


def test_no_queries_or_no_gallery():
    assert rerank(np.zeros((0, 4)), np.zeros((0, 0)), np.zeros((4, 4))).shape == (0, 4)
    assert rerank(np.zeros((3, 0)), np.zeros((3, 3)), np.zeros((0, 0))).shape == (3, 0)


@pytest.mark.parametrize(
    ("kind", "message", "change", "options"),
    [
        (TypeError, "query_gallery: got list", {0: [[1.0]]}, {}),
        (TypeError, "query_query: got torch.int64", {1: np.zeros((3, 3), np.int64)}, {}),
        (ValueError, r"query_query: got shape \[2, 2\], wanted \[3, 3\]", {1: np.ones((2, 2))}, {}),
        (ValueError, r"gallery_gallery: got shape \[4\]", {2: np.ones(4)}, {}),
        (ValueError, "gallery_gallery: got NaN", {2: np.full((4, 4), np.nan)}, {}),
        (ValueError, "k1: got 0, wanted a whole number", {}, {"k1": 0}),
        (ValueError, "k2: got 1.5", {}, {"k2": 1.5}),
        (ValueError, "weight: got 2, wanted 0 to 1", {}, {"weight": 2}),
    ],
)
def test_bad_input_is_named(kind, message, change, options):
    case = [np.ones((3, 4)), np.ones((3, 3)), np.ones((4, 4))]
    for place, value in change.items():
        case[place] = value
    with pytest.raises(kind, match=message):
        rerank(*case, **options)


@on_every_device
@pytest.mark.parametrize("levels", [None, 2])
def test_nearest_rows_in_blocks(device, levels):
    values = torch.rand(13, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = values if levels is None else (values * levels).round()
    nearest = NearestRows(13, 6, dtype=values.dtype, device=torch.device(device))
    for row in range(0, 13, 5):
        for column in range(0, 40, 7):
            nearest.offer(row, column, values[row : row + 5, column : column + 7].to(device))
    order = values.argsort(dim=1, stable=True)[:, :6]
    assert nearest.columns.tolist() == order.tolist()
    assert nearest.values.tolist() == values.gather(1, order).tolist()
    assert nearest.greatest.tolist() == values.amax(dim=1).tolist()

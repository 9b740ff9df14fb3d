"""Two stages, the total order, and the same bits however the work is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qaconv_ext import reference
from qaconv_reid.gallery import GalleryError, open_table
from qaconv_reid.gallery import search as stages
from qaconv_reid.gallery.report import describe, measure_recall
from qaconv_reid.gallery.search import default_shortlist, find, rescore_here, score_maps
from qaconv_reid.gallery.shortlist import best, on_grid, shortlist
from qaconv_reid.gallery.table import Candidates
from support.galleries import fill, maker, random_maps


@pytest.fixture
def table():
    return open_table(None, maker())


def exact_order(scores, numbers):
    return sorted(range(len(scores)), key=lambda i: (-scores[i], numbers[i]))


def test_exact_is_every_row_by_the_reference(table):
    maps = fill(table, 40)
    queries = random_maps(3, seed=9)
    weight = torch.tensor(maker().weight).float()
    flat = [side.flatten(2) for side in (queries, maps)]
    scores = reference.match_scores(*flat, weight, weight, torch.tensor([-1.25]))
    for found, row in zip(find(table, queries, 5), scores, strict=True):
        assert found.numbers.tolist() == exact_order(row.tolist(), range(40))[:5]
        np.testing.assert_allclose(found.scores, row[found.numbers.tolist()], rtol=1e-5, atol=1e-5)


def test_a_query_finds_itself_and_k_may_be_more_than_there_are(table):
    maps = fill(table, 6)
    found = find(table, maps[2:3], 100)[0]
    assert len(found.numbers) == 6
    with pytest.raises(GalleryError, match="k: got 0"):
        find(table, maps[:1], 0)
    with pytest.raises(GalleryError, match="shortlist: got 0"):
        find(table, maps[:1], 1, length=0)
    assert len(find(table, maps[:1], 3, where="number > 100")[0].numbers) == 0


def test_of_equal_scores_the_lower_number_is_first(table):
    maps = random_maps(1).repeat(12, 1, 1, 1)
    from qaconv_reid.gallery import Row

    table.append([Row(f"{n}") for n in range(12)], maps, on_grid(maps))
    for length in (None, 3, 5):
        assert find(table, maps[:1], 3, length=length)[0].numbers.tolist() == [0, 1, 2]


def test_best_is_a_total_order():
    numbers = np.array([5, 3, 9, 1, 7])
    scores = np.array([1.0, np.nan, 1.0, -np.inf, 2.0], np.float32)
    order = [numbers[best(scores, numbers, count)].tolist() for count in range(6)]
    assert order == [[7, 5, 9, 1, 3][:count] for count in (0, 1, 2, 3)] + [
        numbers[best(scores, numbers, count)].tolist() for count in (4, 5)
    ]
    assert set(order[5][3:]) == {1, 3}


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 500], list(range(64, 1000, 64))])
def test_scores_and_shortlists_have_the_same_bits_in_any_shards(table, cuts):
    fill(table, 1000)
    queries = random_maps(2, seed=9)
    whole = rescore_here(table, queries, table.numbers())
    parts = np.split(table.numbers(), cuts)
    sharded = np.concatenate([rescore_here(table, queries, part) for part in parts], axis=1)
    assert np.array_equal(whole, sharded)
    numbers, vectors = table.candidates()
    vector = on_grid(queries)[0]
    wanted = shortlist(vector, Candidates(numbers, vectors), 50)
    near = [
        shortlist(vector, Candidates(part, vectors[torch.from_numpy(part)]), 50) for part in parts
    ]
    among = np.sort(np.concatenate(near))
    assert np.array_equal(
        wanted, shortlist(vector, Candidates(among, vectors[torch.from_numpy(among)]), 50)
    )


def test_inner_products_on_the_grid_have_no_rounding():
    vectors = on_grid(random_maps(50)).float()
    whole = vectors.long()
    assert whole.float().equal(vectors)
    assert int((whole @ whole.T).max()) < 2**24
    products = vectors.numpy() @ vectors.numpy().T
    assert np.array_equal(products, (whole @ whole.T).numpy())
    # Also where one channel holds nearly all, and for long vectors.
    lone = torch.zeros(1, 2048, 8, 1)
    lone[:, 3] = 1.0
    assert int(on_grid(lone).long().square().sum()) < 2**24
    spread = torch.full((1, 2048, 8, 1), 2048**-0.5)
    assert int(on_grid(spread).long().square().sum()) < 2**24


def test_a_shortlist_is_rescored_exactly(table):
    maps = fill(table, 400)
    query = random_maps(1, seed=9)
    found = find(table, query, 10, length=60)[0]
    few = shortlist(on_grid(query)[0], table.candidates(), 60)
    assert set(found.numbers.tolist()) <= set(few.tolist())
    scores = score_maps(maker(), query, maps[torch.from_numpy(found.numbers)])[0].numpy()
    assert np.array_equal(found.scores, scores)
    assert found.numbers.tolist() == [
        few[i] for i in exact_order(rescore_here(table, query, few)[0].tolist(), few)[:10]
    ]


def test_a_condition_comes_before_the_shortlist(table):
    fill(table, 400)
    query = random_maps(1, seed=9)
    wanted = [n for n in find(table, query, 400)[0].numbers.tolist() if n % 5 and n % 4 == 2]
    found = find(table, query, 10, where="camera = 2", length=399)[0]
    assert found.numbers.tolist() == wanted[:10]


def test_sizes_of_the_shortlist(monkeypatch, table):
    assert [default_shortlist(n) for n in (0, 2000, 2001, 50_000, 300_000)] == [
        0,
        2000,
        1000,
        1000,
        3000,
    ]
    fill(table, 300)
    assert describe(table).recall is None
    monkeypatch.setattr(stages, "EXACT_ROWS", 100)
    monkeypatch.setattr(stages, "_LEAST", 90)
    info = describe(table, queries=20)
    assert info.recall == measure_recall(table, queries=20, length=90)
    assert (info.recall.shortlist, info.recall.rows, info.recall.queries) == (90, 300, 20)
    assert 0.3 < info.recall.share <= 1
    assert describe(table, queries=0).recall is None


def test_recall_grows_to_one(table):
    fill(table, 300)
    shares = [measure_recall(table, queries=30, length=n).share for n in (10, 40, 150, 300)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1
    for wrong in ({"k": 0}, {"k": 300}, {"queries": 0}, {"queries": 301}):
        with pytest.raises(GalleryError, match="got"):
            measure_recall(table, **wrong)

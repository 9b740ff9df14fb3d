import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve

from qaconv_reid.evaluation import blocks, count_matches, evaluate_ranking

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def by_hand(scores, query_ids, query_cams, gallery_ids, gallery_cams, max_rank):
    """The protocol in plain Python: AP, INP and first rank of each query, None if uncounted."""
    rows = []
    for q, row in enumerate(scores):
        kept = [
            g
            for g in range(len(row))
            if not (
                gallery_ids[g] == query_ids[q]
                and gallery_cams[g] is not None
                and gallery_cams[g] == query_cams[q]
            )
        ]
        kept.sort(key=lambda g: -row[g])  # stable: equal scores keep the gallery's order
        hits = [gallery_ids[g] == query_ids[q] for g in kept]
        if not any(hits):
            rows.append(None)
            continue
        ap = average_precision_score(hits, [row[g] for g in kept])
        ranks = [rank for rank, hit in enumerate(hits, start=1) if hit]
        rows.append((ap, len(ranks) / ranks[-1], ranks[0]))
    counted = [row for row in rows if row is not None]
    cmc = [
        sum(first <= k for _, _, first in counted) / len(counted) for k in range(1, max_rank + 1)
    ]
    return rows, cmc


def random_case(seed, queries=12, gallery=40, persons=6, cameras=3, levels=None, unknown=0.0):
    random = np.random.default_rng(seed)

    def cams(n):
        return [
            None if random.random() < unknown else int(random.integers(cameras)) for _ in range(n)
        ]

    scores = random.normal(size=(queries, gallery))
    if levels:
        scores = np.round(scores * levels) / levels
    return (
        scores,
        random.integers(persons, size=queries).tolist(),
        cams(queries),
        random.integers(persons, size=gallery).tolist(),
        cams(gallery),
    )


def assert_equal_to_hand(case, max_rank=10):
    rows, cmc = by_hand(*case, max_rank)
    result = evaluate_ranking([case[0]], *case[1:], max_rank=max_rank)
    counted = [row for row in rows if row is not None]
    assert result.queries == len(rows)
    assert result.counted == len(counted)
    assert result.uncounted == rows.count(None)
    assert result.mAP == pytest.approx(np.mean([ap for ap, _, _ in counted]), rel=1e-12)
    assert result.mINP == pytest.approx(np.mean([inp for _, inp, _ in counted]), rel=1e-12)
    np.testing.assert_allclose(result.cmc, cmc, rtol=1e-12)
    for q, row in enumerate(rows):
        if row is None:
            assert np.isnan(result.average_precision[q])
            assert np.isnan(result.inverse_negative_penalty[q])
            assert result.first_match[q] == 0
        else:
            assert result.average_precision[q] == pytest.approx(row[0], rel=1e-12)
            assert result.inverse_negative_penalty[q] == pytest.approx(row[1], rel=1e-12)
            assert result.first_match[q] == row[2]


@pytest.mark.parametrize("seed", range(5))
def test_distinct_scores(seed):
    assert_equal_to_hand(random_case(seed))


@pytest.mark.parametrize("levels", [0.5, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_ties(seed, levels):
    case = random_case(seed, levels=levels)
    assert len(np.unique(case[0])) < 30
    assert_equal_to_hand(case)


@pytest.mark.parametrize("unknown", [0.3, 1.0])
def test_unknown_cameras(unknown):
    assert_equal_to_hand(random_case(1, unknown=unknown))


def test_queries_without_a_match_are_not_counted():
    case = random_case(2, persons=25, gallery=20)
    rows, _ = by_hand(*case, 1)
    assert 0 < rows.count(None) < len(rows)
    assert_equal_to_hand(case)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 9),
    gallery=st.integers(1, 30),
    persons=st.integers(1, 8),
    cameras=st.integers(1, 4),
    levels=st.sampled_from([None, 0.25, 1, 4]),
)
def test_any_case(seed, queries, gallery, persons, cameras, levels):
    case = random_case(seed, queries, gallery, persons, cameras, levels)
    if count_matches(*case[1:]).any():
        assert_equal_to_hand(case)
    else:
        with pytest.raises(ValueError, match="got no query with a match in the gallery"):
            evaluate_ranking([case[0]], *case[1:])


def test_a_small_case_worked_out():
    # Ranked: gallery 2 (other), 0 (match), 3 (left out: same camera), 1 (match).
    scores = torch.tensor([[0.8, 0.1, 0.9, 0.5]])
    result = evaluate_ranking([scores], [7], [1], [7, 7, 9, 7], [2, 3, 1, 1], max_rank=4)
    assert result.cmc.tolist() == [0, 1, 1, 1]
    assert result.mAP == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.mINP == pytest.approx(2 / 3)
    assert result.left_out == 1
    assert result.rank(2) == 1


def test_without_cameras_nothing_is_left_out():
    scores = torch.tensor([[0.8, 0.1, 0.9, 0.5]])
    result = evaluate_ranking([scores], [7], None, [7, 7, 9, 7], None)
    assert result.left_out == 0
    assert result.mAP == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)


def test_infinite_scores_are_ranked():
    inf = float("inf")
    scores = torch.tensor([[inf, -inf, inf, -inf, 0.0]])
    result = evaluate_ranking([scores], [1], None, [2, 1, 1, 3, 2], None)
    # First match: second of the two at +inf. Last: second from the end, by the gallery's order.
    assert result.first_match.tolist() == [2]
    assert result.mINP == pytest.approx(2 / 4)
    assert result.mAP == pytest.approx((1 / 2 + 2 / 5) / 2)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 4, 3], [0, 7, 0, 5]])
@pytest.mark.parametrize("cells", [1, 100, 1 << 22])
def test_blocks_of_any_size_give_the_same_bits(monkeypatch, sizes, cells):
    case = random_case(3, levels=2)
    whole = evaluate_ranking([case[0]], *case[1:])
    monkeypatch.setattr(blocks, "_CELLS_AT_ONCE", cells)
    ends = np.cumsum(sizes)
    cut = (case[0][end - size : end] for size, end in zip(sizes, ends, strict=True))
    parts = evaluate_ranking(cut, *case[1:])
    assert (parts.mAP, parts.mINP, parts.left_out) == (whole.mAP, whole.mINP, whole.left_out)
    assert (parts.cmc == whole.cmc).all()
    np.testing.assert_array_equal(parts.average_precision, whole.average_precision)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_of_every_float_type_and_device(dtype, device):
    scores, *labels = random_case(4)
    rounded = torch.tensor(scores).to(dtype)
    result = evaluate_ranking([rounded.to(device)], *labels)
    expected = evaluate_ranking([rounded.double().numpy()], *labels)
    assert result.mAP == expected.mAP
    assert (result.cmc == expected.cmc).all()


def test_labels_may_be_arrays_or_tensors():
    scores, *labels = random_case(5)
    plain = evaluate_ranking([scores], *labels)
    assert evaluate_ranking([scores], *map(np.asarray, labels)).mAP == plain.mAP
    assert evaluate_ranking([scores], *map(torch.tensor, labels)).mAP == plain.mAP


def test_count_matches():
    counts = count_matches([7, 7, 8, 5], [1, 9, 1, 1], [7, 7, 8, 7], [1, 2, 1, None])
    assert counts.tolist() == [2, 3, 0, 0]


def call(blocks, queries=2, gallery=3, cams=None, **options):
    return evaluate_ranking(blocks, [1] * queries, cams, [1] * gallery, None, **options)


@pytest.mark.parametrize(
    ("message", "arguments", "options"),
    [
        (r"scores: got shape \[2, 4\], wanted \[b, 3\]", [[torch.zeros(2, 4)]], {}),
        (r"scores: got shape \[3\], wanted \[b, 3\]", [[torch.zeros(3)]], {}),
        ("got 1 rows, wanted one for each of 2", [[torch.zeros(1, 3)]], {}),
        ("got at least 3 rows, wanted one for each of 2", [[torch.zeros(1, 3)] * 3], {}),
        ("got 0 rows", [[]], {}),
        ("scores: got torch.int64, wanted a floating", [[torch.zeros(2, 3).long()]], {}),
        ("scores: got NaN for query 1", [[torch.tensor([[0.0] * 3, [0, torch.nan, 0]])]], {}),
        ("max_rank: got 0, wanted at least 1", [[]], {"max_rank": 0}),
        ("query_cams: got 1 for 2 images", [[]], {"cams": [1]}),
        (r"query_ids: got shape \[0\], wanted \[N\]", [[]], {"queries": 0}),
    ],
)
def test_bad_input_is_named(message, arguments, options):
    with pytest.raises(ValueError, match=message):
        call(*arguments, **options)


def test_ranks_outside_the_curve_are_refused():
    result = call([torch.zeros(2, 3)], max_rank=5)
    with pytest.raises(ValueError, match="k: got 6, wanted 1 to 5"):
        result.rank(6)


def test_a_separate_camera_set_leaves_out_everybody_by_the_querys_camera():
    scores, query_ids, query_cams, gallery_ids, gallery_cams = random_case(6, unknown=0.1)
    result = evaluate_ranking(
        [scores], query_ids, query_cams, gallery_ids, gallery_cams, rule="cross-camera"
    )
    left_out = 0
    for q, row in enumerate(scores):
        kept = [
            g for g in range(len(row)) if query_cams[q] is None or query_cams[q] != gallery_cams[g]
        ]
        left_out += len(row) - len(kept)
        hits = [gallery_ids[g] == query_ids[q] for g in kept]
        best = max(kept, key=lambda g: row[g])
        assert result.taken_for[q] == best
        if any(hits):
            wanted = average_precision_score(hits, [row[g] for g in kept])
            assert result.average_precision[q] == pytest.approx(wanted, rel=1e-12)
            assert (result.first_match[q] == 1) == (gallery_ids[best] == query_ids[q])
        else:
            assert result.first_match[q] == 0
    assert result.left_out == left_out
    counts = count_matches(query_ids, query_cams, gallery_ids, gallery_cams, rule="cross-camera")
    assert result.counted == (counts > 0).sum()


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_the_trapezoid_is_the_area_under_the_curve(levels):
    case = random_case(7, levels=levels)
    result = evaluate_ranking([case[0]], *case[1:], area="trapezoid")
    for q, row in enumerate(case[0]):
        same = np.array(case[3]) == case[1][q]
        kept = ~(same & (np.array(case[4]) == case[2][q]))
        if not (same & kept).any():
            assert np.isnan(result.average_precision[q])
            continue
        precision, recall, _ = precision_recall_curve(same[kept], row[kept])
        assert result.average_precision[q] == pytest.approx(auc(recall, precision), rel=1e-12)
    assert result.mAP < evaluate_ranking([case[0]], *case[1:]).mAP


def test_what_a_query_is_taken_for():
    scores = torch.tensor([[0.5, 0.9, 0.9, 0.1], [0.5, 0.9, 0.9, 0.1], [0.0, 0.0, 0.0, 0.0]])
    result = evaluate_ranking([scores], [7, 5, 9], [1, 1, 1], [5, 7, 5, 5], [2, 1, 3, 2])
    assert result.taken_for.tolist() == [2, 1, 0]
    assert result.hits(1)[1] == 0
    assert result.hits(2)[1] == 1
    assert np.isnan(result.hits(1)[[0, 2]]).all()


def test_a_query_whose_ranking_is_empty_is_taken_for_nobody():
    scores = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    result = evaluate_ranking([scores], [1, 1], [1, 2], [1, 2, 1], [1] * 3, rule="cross-camera")
    assert result.taken_for[0] == -1
    assert result.taken_for[1] == scores[1].argmax()


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("rule: got 'both', wanted one of market, cross-camera", {"rule": "both"}),
        ("area: got 'round', wanted one of plain, trapezoid", {"area": "round"}),
    ],
)
def test_unknown_words_are_named(message, options):
    with pytest.raises(ValueError, match=message):
        call([torch.zeros(2, 3)], **options)

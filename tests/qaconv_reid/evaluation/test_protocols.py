"""Camera pairs, tracklets, verification and open set, against plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from qaconv_reid.evaluation import (
    blocks,
    evaluate_camera_pairs,
    evaluate_open_set,
    evaluate_ranking,
    evaluate_verification,
    pool_tracklets,
    tracklet_labels,
)


def random_case(seed, queries=30, gallery=80, persons=8, cameras=3, levels=None):
    random = np.random.default_rng(seed)
    query, images = random.integers(persons, size=queries), random.integers(persons, size=gallery)
    scores = random.normal(size=(queries, gallery)) + (query[:, None] == images)
    if levels:
        scores = np.round(scores * levels) / levels
    return (
        scores,
        query.tolist(),
        random.integers(cameras, size=queries).tolist(),
        images.tolist(),
        random.integers(cameras, size=gallery).tolist(),
    )


@pytest.fixture(params=[1 << 22, 200])
def cells(request, monkeypatch):
    monkeypatch.setattr(blocks, "_CELLS_AT_ONCE", request.param)


@pytest.mark.usefixtures("cells")
def test_camera_pairs_are_the_rankings_of_parts():
    scores, query_ids, query_cams, gallery_ids, gallery_cams = random_case(0)
    query_cams[3] = gallery_cams[5] = None
    table = evaluate_camera_pairs([scores], query_ids, query_cams, gallery_ids, gallery_cams)
    assert table.query_cameras == table.gallery_cameras == (0, 1, 2)
    for a in range(3):
        for b in range(3):
            rows = [q for q, camera in enumerate(query_cams) if camera == a]
            columns = [g for g, camera in enumerate(gallery_cams) if camera == b]
            if a == b:
                assert table.counted[a, b] == 0
                assert np.isnan(table.mAP[a, b])
                continue
            part = evaluate_ranking(
                [scores[np.ix_(rows, columns)]],
                [query_ids[q] for q in rows],
                [a] * len(rows),
                [gallery_ids[g] for g in columns],
                [b] * len(columns),
            )
            assert table.rank1[a, b] == pytest.approx(part.rank(1))
            assert table.mAP[a, b] == pytest.approx(part.mAP)
            assert table.counted[a, b] == part.counted


def test_camera_pairs_need_cameras():
    with pytest.raises(ValueError, match="query_cams: got none that is known"):
        evaluate_camera_pairs([np.zeros((1, 1))], [1], None, [1], [2])


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_tracklets(pool):
    scores = random_case(1)[0]
    random = np.random.default_rng(1)
    query, gallery = random.integers(6, size=30) * 10, random.integers(9, size=80) - 4
    pooled = pool_tracklets([scores[:7], scores[7:]], query, gallery, pool=pool)
    for i, one in enumerate(np.unique(query)):
        for j, other in enumerate(np.unique(gallery)):
            part = scores[np.ix_(query == one, gallery == other)]
            assert pooled[i, j].item() == pytest.approx(getattr(part, pool)())


def test_the_labels_of_tracklets():
    assert tracklet_labels([5, 3, 5], ["a", None, "a"]) == [None, "a"]
    with pytest.raises(ValueError, match="got 2 for image 2 and 1 for another of tracklet 5"):
        tracklet_labels([5, 3, 5], [1, 1, 2])
    with pytest.raises(ValueError, match="labels: got 1 for 2 images"):
        tracklet_labels([5, 3], [1])
    with pytest.raises(ValueError, match="pool: got 'sum', wanted one of mean, max"):
        pool_tracklets([np.zeros((1, 1))], [1], [1], pool="sum")


def pairs(case):
    """Scores and truth of all pairs that count."""
    scores, query_ids, query_cams, gallery_ids, gallery_cams = case
    same = np.array(query_ids)[:, None] == np.array(gallery_ids)
    kept = ~(same & (np.array(query_cams)[:, None] == np.array(gallery_cams)))
    return scores[kept], same[kept]


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_verification_is_a_point_of_the_roc_curve(levels, dtype):
    case = random_case(2, levels=levels)
    case = (torch.tensor(case[0], dtype=dtype).numpy(), *case[1:])
    rates = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0)
    result = evaluate_verification([case[0]], *case[1:], false_positive_rates=rates)
    scores, true = pairs(case)
    assert (result.positives, result.negatives) == (true.sum(), (~true).sum())
    fpr, tpr, _ = roc_curve(true, scores, drop_intermediate=False)
    for rate, threshold, found in zip(
        rates, result.threshold, result.true_positive_rate, strict=True
    ):
        assert found == pytest.approx(tpr[fpr <= rate].max())
        assert (scores[true] >= threshold).mean() == pytest.approx(found)
        assert (scores[~true] >= threshold).mean() <= rate


def test_a_rate_that_is_met_exactly_is_met():
    scores = [[2.0, *np.linspace(0, 1, 100)]]
    result = evaluate_verification(
        [np.array(scores)], [1], None, [1] + [2] * 100, None, false_positive_rates=(0.29,)
    )
    assert (np.array(scores[0][1:]) >= result.threshold[0]).sum() == 29


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("rank", [1, 5])
def test_open_set(rank):
    case = random_case(3)
    scores, query_ids, query_cams, gallery_ids, gallery_cams = case
    gone = (2, 5)
    rates = (0.0, 0.2, 1.0)
    result = evaluate_open_set([scores], *case[1:], false_alarm_rates=rates, absent=gone, rank=rank)
    alarms, answers = [], []
    for q, row in enumerate(scores):
        kept = [
            g
            for g in range(len(row))
            if gallery_ids[g] not in gone
            and (gallery_ids[g], gallery_cams[g]) != (query_ids[q], query_cams[q])
        ]
        kept.sort(key=lambda g: -row[g])
        hits = [g for g in kept if gallery_ids[g] == query_ids[q]]
        if hits:
            answers.append(row[hits[0]] if kept.index(hits[0]) < rank else -np.inf)
        else:
            alarms.append(row[kept[0]])
    assert (result.present, result.absent) == (len(answers), len(alarms))
    for rate, threshold, found in zip(
        rates, result.threshold, result.identification_rate, strict=True
    ):
        assert (np.array(alarms) >= threshold).mean() <= rate
        # One alarm more would be too many, unless all are allowed.
        higher = sorted(alarms)[::-1]
        number = sum(alarm >= threshold for alarm in alarms)
        assert rate == 1 or (number + 1) / len(alarms) > rate
        assert rate == 1 or higher[number] < threshold
        answered = [a for a in answers if a >= threshold and a > -np.inf]
        assert found == pytest.approx(len(answered) / len(answers))


@pytest.mark.parametrize(
    ("function", "message", "options"),
    [
        (evaluate_verification, "false_positive_rates: got", {"false_positive_rates": (1.5,)}),
        (evaluate_verification, "false_positive_rates: got", {"false_positive_rates": ()}),
        (evaluate_verification, "rule: got 'x'", {"rule": "x"}),
        (evaluate_open_set, "false_alarm_rates: got", {"false_alarm_rates": (-0.1,)}),
        (evaluate_open_set, "rank: got 0", {"rank": 0}),
        (evaluate_open_set, "and 0 without, wanted both", {}),
    ],
)
def test_bad_input_is_named(function, message, options):
    with pytest.raises(ValueError, match=message):
        function([np.zeros((1, 2))], [1], None, [1, 2], None, **options)


def test_pairs_of_both_kinds_are_needed():
    with pytest.raises(ValueError, match="got 1 pairs of one identity and 0 of two"):
        evaluate_verification([np.zeros((1, 1))], [1], None, [1], None)

import math

import pytest
import torch

from qaconv_ext.losses import HardTripletLoss

SCORES = [
    [9.0, 5.0, 1.0, 2.0],
    [5.0, 9.0, 6.0, 3.0],
    [1.0, 6.0, 9.0, 4.0],
    [2.0, 3.0, 4.0, 9.0],
]


def by_loop(scores, labels, margin):
    """The definition, row by row, in Python numbers."""
    losses, right, dropped = [], 0, 0
    for i, row in enumerate(scores):
        positives = [s for j, s in enumerate(row) if j != i and labels[j] == labels[i]]
        negatives = [s for j, s in enumerate(row) if labels[j] != labels[i]]
        if not positives or not negatives:
            continue
        if not all(math.isfinite(s) for s in positives + negatives):
            dropped += 1
            continue
        losses.append(max(0.0, margin - (min(positives) - max(negatives))))
        right += min(positives) >= max(negatives)
    n = len(losses)
    return (sum(losses) / n, right / n, n, dropped) if n else (0.0, 0.0, 0, dropped)


def assert_same(result, expected):
    loss, accuracy, counted, dropped = expected
    assert result.loss.item() == pytest.approx(loss, rel=1e-6)
    assert result.accuracy.item() == pytest.approx(accuracy)
    assert (result.counted.item(), result.dropped.item()) == (counted, dropped)


def test_by_hand():
    # pos - neg of the rows: 5-2, 5-6, 4-6, 4-3; with margin 2: 0, 3, 4, 1.
    result = HardTripletLoss(margin=2).detailed(torch.tensor(SCORES), torch.tensor([0, 0, 7, 7]))
    assert_same(result, (2.0, 0.5, 4, 0))


def test_the_papers_margin_is_the_default():
    result = HardTripletLoss().detailed(torch.tensor(SCORES), torch.tensor([0, 0, 7, 7]))
    assert_same(result, (16 - (3 - 1 - 2 + 1) / 4, 0.5, 4, 0))


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_loop(seed):
    g = torch.Generator().manual_seed(seed)
    size = 1 + seed
    scores = torch.randn(size, size, generator=g, dtype=torch.float64) * 5
    labels = torch.randint(-3, 4, (size,), generator=g)
    for value in (math.nan, math.inf, -math.inf):
        location = torch.randint(0, size, (2,), generator=g).tolist()
        if seed % 2:
            scores[location[0], location[1]] = value
    result = HardTripletLoss(3.0).detailed(scores, labels)
    assert_same(result, by_loop(scores.tolist(), labels.tolist(), 3.0))


def test_rows_without_a_pair_give_no_loss_and_no_gradient():
    scores = torch.tensor(SCORES, requires_grad=True)
    result = HardTripletLoss(2.0).detailed(scores, torch.tensor([0, 0, 1, 2]))
    assert_same(result, by_loop(SCORES, [0, 0, 1, 2], 2.0))
    assert result.counted == 2
    result.loss.backward()
    assert scores.grad[2:].eq(0).all()
    # Row 1: positive at 0, hardest negative at 2, hinge open; mean over 2 rows.
    assert scores.grad[1].tolist() == [-0.5, 0.0, 0.5, 0.0]


@pytest.mark.parametrize("labels", [[5, 5, 5, 5], [1, 2, 3, 4]])
def test_no_row_counts(labels):
    scores = torch.tensor(SCORES)
    scores[0] = math.nan
    scores.requires_grad_()
    result = HardTripletLoss().detailed(scores, torch.tensor(labels))
    assert_same(result, (0.0, 0.0, 0, 0))
    result.loss.backward()
    assert scores.grad.eq(0).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_rows_are_dropped_and_leave_no_trace(value):
    labels = torch.tensor([0, 0, 1, 1])
    scores = torch.tensor(SCORES)
    scores[1, 3] = value
    scores.requires_grad_()
    result = HardTripletLoss(8.0).detailed(scores, labels)
    assert (result.counted.item(), result.dropped.item()) == (3, 1)
    result.loss.backward()
    assert scores.grad.isfinite().all()
    assert scores.grad[1].eq(0).all()
    assert scores.grad[[0, 2, 3]].abs().sum(1).gt(0).all()


def test_the_score_of_an_item_with_itself_does_not_matter():
    labels = torch.tensor([0, 0, 1, 1])
    spoilt = torch.tensor(SCORES)
    spoilt.fill_diagonal_(math.nan)
    plain = HardTripletLoss(8.0).detailed(torch.tensor(SCORES), labels)
    assert [x.item() for x in HardTripletLoss(8.0).detailed(spoilt, labels)] == [
        x.item() for x in plain
    ]


def test_a_loss_that_overflows_is_dropped():
    scores = torch.tensor(SCORES)
    scores[0, 1], scores[0, 2] = -3e38, 3e38
    scores.requires_grad_()
    result = HardTripletLoss(2.0).detailed(scores, torch.tensor([0, 0, 1, 1]))
    assert (result.counted.item(), result.dropped.item()) == (3, 1)
    result.loss.backward()
    assert scores.grad.isfinite().all()


def test_equal_scores_send_the_gradient_to_the_lowest_index():
    scores = torch.zeros(4, 4, requires_grad=True)
    HardTripletLoss(1.0)(scores, torch.tensor([0, 0, 0, 1])).backward()
    assert (scores.grad[0] * 3).tolist() == pytest.approx([0.0, -1.0, 0.0, 1.0])


def test_gradient_in_float64():
    g = torch.Generator().manual_seed(0)
    scores = (torch.randn(6, 6, generator=g, dtype=torch.float64) * 4).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda s: HardTripletLoss(4.0)(s, labels), scores)


def test_narrow_types_and_autocast_are_calculated_in_float32():
    g = torch.Generator().manual_seed(0)
    scores = (torch.randn(8, 8, generator=g) * 4).bfloat16()
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = HardTripletLoss().detailed(scores, labels)
    assert result.loss.dtype == torch.float32
    assert_same(result, by_loop(scores.tolist(), labels.tolist(), 16.0))


def test_an_empty_batch():
    scores = torch.zeros(0, 0, requires_grad=True)
    result = HardTripletLoss().detailed(scores, torch.zeros(0, dtype=torch.long))
    assert_same(result, (0.0, 0.0, 0, 0))
    result.loss.backward()


@pytest.mark.parametrize(
    ("scores", "labels", "error", "text"),
    [
        (torch.zeros(3, 4), torch.zeros(3, dtype=torch.long), ValueError, "wanted \\[B, B\\]"),
        (torch.zeros(3, 3), torch.zeros(4, dtype=torch.long), ValueError, "wanted \\[3\\]"),
        (torch.zeros(3, 3), torch.zeros(3), TypeError, "labels: got dtype torch.float32"),
        (torch.zeros(3, 3).long(), torch.zeros(3).long(), TypeError, "scores: got dtype"),
        (torch.zeros(3, 3), [0, 1, 2], TypeError, "labels: got list"),
    ],
)
def test_bad_input_is_named(scores, labels, error, text):
    with pytest.raises(error, match=text):
        HardTripletLoss()(scores, labels)


@pytest.mark.parametrize("margin", [-1.0, math.nan, math.inf])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match="margin: got"):
        HardTripletLoss(margin)

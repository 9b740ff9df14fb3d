import math

import pytest
import torch

from qaconv_ext.losses import PairwiseMatchingLoss


def bce(score, same):
    """-log of the probability of the truth, of a logit."""
    signed = score if same else -score
    return max(-signed, 0.0) + math.log1p(math.exp(-abs(signed)))


def by_loop(scores, labels):
    losses, right, dropped = [], 0, 0
    for i, row in enumerate(scores):
        positives = [s for j, s in enumerate(row) if j != i and labels[j] == labels[i]]
        negatives = [s for j, s in enumerate(row) if labels[j] != labels[i]]
        if not positives or not negatives:
            continue
        if not all(math.isfinite(s) for s in row):
            dropped += 1
            continue
        losses.append(sum(bce(s, labels[j] == labels[i]) for j, s in enumerate(row)))
        right += min(positives) > max(negatives)
    n = len(losses)
    return (sum(losses) / n, right / n, n, dropped) if n else (0.0, 0.0, 0, dropped)


def assert_same(result, expected):
    loss, accuracy, counted, dropped = expected
    assert result.loss.item() == pytest.approx(loss, rel=1e-5)
    assert result.accuracy.item() == pytest.approx(accuracy)
    assert (result.counted.item(), result.dropped.item()) == (counted, dropped)


def test_by_hand():
    # All scores 0: every pair costs log 2, and no positive is above a negative.
    result = PairwiseMatchingLoss().detailed(torch.zeros(4, 4), torch.tensor([0, 0, 1, 1]))
    assert_same(result, (4 * math.log(2), 0.0, 4, 0))


@pytest.mark.parametrize("seed", range(16))
def test_equals_the_loop(seed):
    g = torch.Generator().manual_seed(seed)
    size = 1 + seed
    scores = torch.randn(size, size, generator=g, dtype=torch.float64) * 5
    labels = torch.randint(0, 5, (size,), generator=g)
    if seed % 2:
        scores[seed // 2, seed // 3] = math.nan
        scores[seed // 3, seed // 2] = math.inf
    result = PairwiseMatchingLoss().detailed(scores, labels)
    assert_same(result, by_loop(scores.tolist(), labels.tolist()))


def test_dropped_and_unpaired_rows_get_no_gradient():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 5, generator=g)
    scores[1, 1] = math.nan
    scores.requires_grad_()
    result = PairwiseMatchingLoss().detailed(scores, torch.tensor([0, 0, 1, 1, 2]))
    assert (result.counted.item(), result.dropped.item()) == (3, 1)
    result.loss.backward()
    assert scores.grad.isfinite().all()
    assert scores.grad[[1, 4]].eq(0).all()
    assert scores.grad[[0, 2, 3]].ne(0).all()


def test_one_class_only():
    scores = torch.full((3, 3), math.nan, requires_grad=True)
    result = PairwiseMatchingLoss().detailed(scores, torch.tensor([4, 4, 4]))
    assert_same(result, (0.0, 0.0, 0, 0))
    result.loss.backward()
    assert scores.grad.eq(0).all()


def test_gradient_in_float64():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 6, generator=g, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    assert torch.autograd.gradcheck(lambda s: PairwiseMatchingLoss()(s, labels), scores)


def test_narrow_types_are_calculated_in_float32_under_autocast():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 6, generator=g).half()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = PairwiseMatchingLoss().detailed(scores, labels)
    assert result.loss.dtype == torch.float32
    assert_same(result, by_loop(scores.tolist(), labels.tolist()))

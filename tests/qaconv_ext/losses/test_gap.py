"""How far the hardest positive is above the hardest negative, by every loss."""

import math

import pytest
import torch

from qaconv_ext.losses import (
    ClassMemoryLoss,
    HardTripletLoss,
    PairwiseMatchingLoss,
    SoftmaxClassifier,
)

SCORES = torch.tensor(
    [[9.0, 3.0, 1.0, 2.0], [3.0, 9.0, 5.0, 0.0], [1.0, 5.0, 9.0, 4.0], [2.0, 0.0, 4.0, 9.0]]
)
LABELS = torch.tensor([0, 0, 1, 1])
# Row by row: positives 3, 3, 4, 4 and hardest negatives 2, 5, 5, 2.
GAPS = [1.0, -2.0, -1.0, 2.0]


@pytest.mark.parametrize("loss", [HardTripletLoss(), PairwiseMatchingLoss()])
def test_within_a_batch(loss):
    assert loss.detailed(SCORES, LABELS).gap == sum(GAPS) / 4
    spoilt = SCORES.clone()
    spoilt[1, 2] = math.nan  # row 1 is dropped
    assert loss.detailed(spoilt, LABELS).gap == pytest.approx((1 - 1 + 2) / 3)
    alone = loss.detailed(SCORES, torch.tensor([0, 0, 1, 2]))  # rows 2 and 3 have no positive
    assert alone.gap == (1 - 2) / 2
    assert loss.detailed(SCORES, torch.zeros(4, dtype=torch.long)).gap == 0


def test_against_a_memory():
    # Own columns 0, 1: the best other of row 0 is 3, of row 1 it is 5.
    result = ClassMemoryLoss().detailed(SCORES[:2], torch.tensor([0, 1]))
    assert result.gap == ((9 - 3) + (9 - 5)) / 2
    empty = ClassMemoryLoss().detailed(SCORES[:2, :0], LABELS[:2], LABELS[:0])
    assert (empty.gap, empty.counted) == (0, 0)


def test_of_a_classifier():
    classifier = SoftmaxClassifier(2, 3)
    with torch.no_grad():
        classifier.classifier.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        classifier.classifier.bias.zero_()
    maps = torch.tensor([[2.0, 1.0], [0.0, 3.0]])[:, :, None, None]
    # Logits 2, 1, 3 and 0, 3, 3.
    result = classifier.detailed(maps, torch.tensor([2, 0]))
    assert result.gap == ((3 - 2) + (0 - 3)) / 2

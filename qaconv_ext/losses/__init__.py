"""Losses of metric learning with a learned matcher, on score matrices and labels.

They are called as the criteria of torch are: ``criterion(scores, labels)`` returns a tensor,
reduced as ``reduction`` says. ``criterion.detailed(scores, labels)`` returns a `LossResult`, with
accuracy, hard gap and numbers of rows beside the loss. Here the last item has no positive:

>>> import torch
>>> scores = torch.tensor([[9.0, 5.0, 6.0], [5.0, 9.0, 1.0], [6.0, 1.0, 9.0]])
>>> labels = torch.tensor([0, 0, 1])
>>> HardTripletLoss(margin=2)(scores, labels)
tensor(1.5000)
>>> HardTripletLoss(margin=2, reduction="none")(scores, labels)
tensor([3., 0., 0.])
>>> HardTripletLoss(margin=2).detailed(scores, labels).counted
tensor(2)
"""

from qaconv_ext.losses._reduction import LossResult
from qaconv_ext.losses.class_memory import ClassMemory, ClassMemoryLoss
from qaconv_ext.losses.classifier import SoftmaxClassifier
from qaconv_ext.losses.pairs import PairMasks, hardest_pairs, pair_masks
from qaconv_ext.losses.pairwise_matching import PairwiseMatchingLoss
from qaconv_ext.losses.triplet import HardTripletLoss

__all__ = [
    "ClassMemory",
    "ClassMemoryLoss",
    "HardTripletLoss",
    "LossResult",
    "PairMasks",
    "PairwiseMatchingLoss",
    "SoftmaxClassifier",
    "hardest_pairs",
    "pair_masks",
]

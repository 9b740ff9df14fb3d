"""Losses of metric learning with a learned matcher, on score matrices and labels.

They are called as the criteria of torch are: ``criterion(scores, labels)`` returns a tensor,
reduced as ``reduction`` says. ``criterion.detailed(scores, labels)`` returns a `LossResult`, with
accuracy, hard gap and numbers of rows beside the loss.
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

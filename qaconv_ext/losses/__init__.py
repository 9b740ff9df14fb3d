"""Losses of metric learning with a learned matcher: each takes a score matrix and labels."""

from qaconv_ext.losses.class_memory import ClassMemory, ClassMemoryLoss
from qaconv_ext.losses.classifier import SoftmaxClassifier
from qaconv_ext.losses.pairs import PairMasks, hardest_pairs, pair_masks
from qaconv_ext.losses.pairwise_matching import PairwiseMatchingLoss
from qaconv_ext.losses.rows import LossResult
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

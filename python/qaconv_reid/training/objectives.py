"""From the maps of a batch to its loss: the losses of `qaconv_ext.losses` with the matcher.

To add one: write a module with this call, and a line in `OBJECTIVES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from torch import Tensor, nn

from qaconv_ext.losses import (
    ClassMemory,
    ClassMemoryLoss,
    HardTripletLoss,
    LossResult,
    PairwiseMatchingLoss,
    SoftmaxClassifier,
)
from qaconv_ext.qaconv import BatchShare
from qaconv_reid.config import LossConfig
from qaconv_reid.models import PairMatcher

__all__ = [
    "OBJECTIVES",
    "AgainstMemory",
    "PooledClassifier",
    "Summed",
    "WithinBatch",
    "build_objective",
]


class WithinBatch(nn.Module):
    """The batch is matched with itself, and the loss looks at the scores of its pairs."""

    def __init__(self, loss: HardTripletLoss | PairwiseMatchingLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, maps: Tensor, labels: Tensor, matcher: PairMatcher, share: BatchShare | None = None
    ) -> LossResult:
        """The loss of maps ``[B, C, h, w]``, or of this process's share, with classes ``[B]``."""
        return self.loss.detailed(matcher(maps, share=share), labels)


class AgainstMemory(nn.Module):
    """The batch is matched with the newest map of every class seen so far, then becomes it."""

    def __init__(self, memory: ClassMemory) -> None:
        super().__init__()
        self.memory = memory
        self.loss = ClassMemoryLoss()

    def forward(
        self, maps: Tensor, labels: Tensor, matcher: PairMatcher, share: BatchShare | None = None
    ) -> LossResult:
        """The loss of maps ``[B, C, h, w]``, or of this process's share, with classes ``[B]``."""
        scores, classes = self.memory(maps, partial(matcher, share=share))
        if share is not None:
            maps = share.gather(maps.detach())
            if not len(classes):
                scores = share.gather(scores)
        result = self.loss.detailed(scores, labels, classes)
        # A map that is not finite would spoil every step to come.
        finite = maps.detach().isfinite().flatten(1).all(dim=1)
        self.memory.update(maps.detach()[finite], labels[finite])
        return result


class PooledClassifier(nn.Module):
    """Identities told apart by weights of their own over the pooled maps; no matcher."""

    def __init__(self, num_features: int, classes: int, *, norm: bool = False) -> None:
        super().__init__()
        self.loss = SoftmaxClassifier(num_features, classes, norm=norm)

    def forward(
        self, maps: Tensor, labels: Tensor, matcher: PairMatcher, share: BatchShare | None = None
    ) -> LossResult:
        """The loss of maps ``[B, C, h, w]``, or of this process's share, with classes ``[B]``."""
        return self.loss.detailed(maps if share is None else share.collect(maps), labels)


class Summed(nn.Module):
    """Two objectives added up; rows, accuracy and gap are those of the first."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(
        self, maps: Tensor, labels: Tensor, matcher: PairMatcher, share: BatchShare | None = None
    ) -> LossResult:
        """The loss of maps ``[B, C, h, w]``, or of this process's share, with classes ``[B]``."""
        one: LossResult = self.first(maps, labels, matcher, share)
        other: LossResult = self.second(maps, labels, matcher, share)
        return one._replace(loss=one.loss + other.loss)


class _Builder(Protocol):
    def __call__(self, config: LossConfig, matcher: PairMatcher, classes: int) -> nn.Module: ...


def _memory(config: LossConfig, matcher: PairMatcher, classes: int) -> nn.Module:
    size = (matcher.num_features, matcher.height, matcher.width)
    return AgainstMemory(ClassMemory(classes, *size, mem_batch_size=config.memory_batch))


def _classifier(config: LossConfig, matcher: PairMatcher, classes: int) -> nn.Module:
    return PooledClassifier(matcher.num_features, classes, norm=config.classifier_norm)


OBJECTIVES: Mapping[str, _Builder] = {
    "triplet": lambda config, matcher, classes: WithinBatch(HardTripletLoss(config.margin)),
    "pairwise": lambda config, matcher, classes: WithinBatch(PairwiseMatchingLoss()),
    "class_memory": _memory,
    "softmax": _classifier,
    "softmax+triplet": lambda config, matcher, classes: Summed(
        WithinBatch(HardTripletLoss(config.margin)),
        _classifier(config, matcher, classes),
    ),
}
"""Every kind of ``loss`` setting."""


def build_objective(config: LossConfig, matcher: PairMatcher, classes: int) -> nn.Module:
    """The objective that the settings name, for a training set of so many classes.

    Its call is ``objective(maps [B, C, h, w], labels [B], matcher, share) -> LossResult``. With a
    share the maps are this process's part of a batch, and the labels those of all.
    """
    return OBJECTIVES[config.kind](config, matcher, classes)

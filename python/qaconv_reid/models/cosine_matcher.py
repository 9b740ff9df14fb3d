"""Matchers of one vector an image: what the dense matcher is compared with, trained alike."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from qaconv_ext.qaconv import BatchShare, QAConv
from qaconv_reid.config import ConfigError
from qaconv_reid.models.stripes import stripes

__all__ = ["CosineMatcher", "PairMatcher", "dense"]


class CosineMatcher(nn.Module):
    """The cosine of two vectors: the means of row stripes, or of whole maps.

    It takes the place of a `QAConv`: the same call, and a scale and a shift that are learnt under
    the same names (``logit_bn``). It does not take the statistics of the batch: the cosines of an
    untrained network lie close together, and divided by their spread the hard triplet pulls all
    vectors into one before anything else is learnt. The stripes are those of PCB (Sun et al., ECCV
    2018); one stripe is the pooled embedding that most of the field trains.

    Args:
        num_features: channels C of the feature maps.
        height: rows of the feature maps.
        width: columns of the feature maps.
        count: stripes, from 1 (pooled) to ``height``.
        norm: batch-normalize the vectors without a shift, and compare what comes out: the BNNeck of
            Luo et al., *Bag of Tricks* (arXiv 1903.07071). Means of unit vectors lie close
            together, and hard triplets pull them into one; channels of equal spread they cannot.
    """

    symmetric = True

    def __init__(
        self, num_features: int, height: int, width: int, count: int, *, norm: bool = False
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.height = height
        self.width = width
        self.count = count
        self.logit_bn = nn.BatchNorm1d(1).eval()
        self.norm = nn.BatchNorm1d(num_features * count) if norm else None
        if self.norm is not None:
            self.norm.bias.requires_grad_(False)

    def forward(
        self, probe: Tensor, gallery: Tensor | None = None, *, share: BatchShare | None = None
    ) -> Tensor:
        """Scores ``[P, G]`` of maps ``[P, C, h, w]`` and ``[G, C, h, w]``; see `QAConv.forward`."""
        own = stripes(probe, self.count)
        if share is not None:
            # Every process computes all pairs alike: a product of vectors is little work.
            own = share.collect(own)
        own = self._normalized(own)
        others = own if gallery is None else self._normalized(stripes(gallery, self.count))
        with torch.autocast(probe.device.type, enabled=False):
            cosines = own @ others.T
            scores: Tensor = self.logit_bn(cosines.reshape(1, 1, -1))
        return scores.reshape(cosines.shape)

    def _normalized(self, vectors: Tensor) -> Tensor:
        return vectors if self.norm is None else normalize(self.norm(vectors), dim=1)

    def train(self, mode: bool = True) -> Self:
        """As of every module; the statistics of ``logit_bn`` stay 0 and 1."""
        super().train(mode)
        self.logit_bn.eval()
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """As every module."""
        result: Tensor = super().__call__(*args, **kwargs)
        return result


PairMatcher: TypeAlias = QAConv | CosineMatcher
"""What maps are matched by."""


def dense(matcher: PairMatcher, what: str) -> QAConv:
    """The matcher, for what only that of positions can do.

    Raises:
        ConfigError: it is another.
    """
    if not isinstance(matcher, QAConv):
        raise ConfigError(f"matcher.kind: got a cosine of vectors, wanted qaconv for {what}")
    return matcher

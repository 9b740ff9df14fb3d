"""The baseline without a matcher: identities as classes of a linear classifier."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from qaconv_ext import _arguments, _checks
from qaconv_ext.losses._reduction import LossResult, Reduction, checked, reduced
from qaconv_ext.losses._rows import check_rows, finite_rows


class SoftmaxClassifier(nn.Module):
    """One weight vector per identity over pooled features, softmax cross entropy.

    The "classification parameters" baseline of Liao & Shao, CVPR 2022 (arXiv 2104.01546). Rows with
    a non-finite feature are not valid: they give neither loss nor gradient, and the mean is over
    the valid ones.

    Args:
        num_features: channels of the maps.
        num_classes: identities of the training set.
        norm: batch-normalize the pooled features, without a shift, and classify without a bias: the
            BNNeck of Luo et al., *Bag of Tricks* (arXiv 1903.07071). Means of unit vectors differ
            little: without the norm all logits are nearly equal at the start.
        reduction: ``"mean"`` or ``"sum"`` of the losses of the valid rows; ``"none"``: ``[B]``,
            with 0 for every other row.
        device: of the parameters and buffers; None for torch's default.
        dtype: of the parameters and buffers, floating; None for torch's default.

    Raises:
        TypeError, ValueError: an argument is not one of the above.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        *,
        norm: bool = False,
        reduction: Reduction = "mean",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        num_features = _checks.whole_number("num_features", num_features, 1)
        num_classes = _checks.whole_number("num_classes", num_classes, 1)
        factory = _arguments.factory(device, dtype)
        normed = _checks.truth("norm", norm)
        self.norm = nn.BatchNorm1d(num_features, **factory) if normed else nn.Identity()
        if isinstance(self.norm, nn.BatchNorm1d):
            self.norm.bias.requires_grad_(False)
        self.classifier = nn.Linear(num_features, num_classes, bias=not normed, **factory)
        self.reduction = checked(reduction)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            maps: ``[B, num_features, h, w]`` floating, averaged over the locations.
            labels: ``[B]`` whole numbers in 0 .. num_classes - 1.

        Returns:
            A scalar, or ``[B]`` with ``reduction="none"``; float32 (float64 for float64 maps).
            Where no row is valid it is 0, with a graph and zero gradients.

        Raises:
            TypeError, ValueError: an argument's type or shape is not one of the above.
        """
        return self.detailed(maps, labels).loss

    def detailed(self, maps: Tensor, labels: Tensor) -> LossResult:
        """The loss that a call returns, with accuracy, gap and numbers of rows, for logs.

        Arguments and errors are those of `forward`.
        """
        check_rows("maps", maps, labels)
        wanted = self.classifier.in_features
        if maps.dim() != 4 or maps.shape[1] != wanted or 0 in maps.shape[2:]:
            raise ValueError(f"maps: got shape {list(maps.shape)}, wanted [B, {wanted}, h, w]")
        maps, finite = finite_rows(maps)
        pooled = maps.flatten(2).mean(dim=2).to(self.classifier.weight.dtype)  # [B, C]
        logits = self.classifier(self.norm(pooled))  # [B, classes], narrow under autocast
        logits = logits.to(maps.dtype)
        loss = functional.cross_entropy(logits, labels.long(), reduction="none")  # [B]
        correct = logits.argmax(dim=1) == labels
        fixed, column = logits.detach(), labels.long()[:, None]
        others = fixed.scatter(1, column, -math.inf).amax(dim=1)
        gap = fixed.gather(1, column).squeeze(1) - others
        paired = torch.ones_like(finite)
        return reduced(loss, correct, gap, paired, finite, self.reduction)

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from qaconv_ext.losses._reduction import LossResult, Reduction, checked, reduced
from qaconv_ext.losses._rows import check_square, finite_rows
from qaconv_ext.losses.pairs import hardest_pairs, pair_masks


class PairwiseMatchingLoss(nn.Module):
    """Each pair of the batch as a yes-or-no question: the same identity or not.

    Binary cross entropy of the scores, taken as logits, against the same-identity matrix (which
    holds the item itself), summed over the row. A row is right when its lowest positive score, the
    item itself excluded, is above its highest negative. Rows without a positive or a negative, and
    rows with a non-finite score, are not valid: they give neither loss nor gradient, and the mean
    is over the valid ones.

    Source: the pairwise matching loss of release 2.0 of Liao & Shao, arXiv 2104.01546.

    Args:
        reduction: ``"mean"`` or ``"sum"`` of the losses of the valid rows; ``"none"``: ``[B]``,
            with 0 for every other row.

    Raises:
        ValueError: the reduction is none of these.
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = checked(reduction)

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch matched with itself.

        Args:
            scores: ``[B, B]`` floating, higher for more alike. The loss is computed in float32
                (float64 for float64), under autocast too.
            labels: ``[B]`` whole numbers, the identities.

        Returns:
            A scalar, or ``[B]`` with ``reduction="none"``; float32 (float64 for float64 scores).
            Where no row is valid it is 0, with a graph and zero gradients.

        Raises:
            TypeError, ValueError: an argument's type or shape is not one of the above.
        """
        return self.detailed(scores, labels).loss

    def detailed(self, scores: Tensor, labels: Tensor) -> LossResult:
        """The loss that a call returns, with accuracy, gap and numbers of rows, for logs.

        Arguments and errors are those of `forward`.
        """
        check_square(scores, labels)
        masks = pair_masks(labels)
        scores, finite = finite_rows(scores)
        loss = functional.binary_cross_entropy_with_logits(
            scores, masks.same.to(scores.dtype), reduction="none"
        ).sum(dim=1)  # [B]
        positive, negative = hardest_pairs(scores.detach(), masks)
        right, gap = positive > negative, positive - negative
        return reduced(loss, right, gap, masks.paired, finite, self.reduction)

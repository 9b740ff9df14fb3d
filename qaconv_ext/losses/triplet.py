from __future__ import annotations

from torch import Tensor, nn

from qaconv_ext import _checks
from qaconv_ext.losses._reduction import LossResult, Reduction, checked, reduced
from qaconv_ext.losses._rows import check_square, finite_rows
from qaconv_ext.losses.pairs import hardest_pairs, pair_masks


class HardTripletLoss(nn.Module):
    """Triplet loss on the hardest positive and the hardest negative of each row.

    ``max(0, margin - (pos - neg))`` with ``pos`` the lowest score among the row's positives (the
    item itself excluded) and ``neg`` the highest among its negatives. A row is right when
    ``pos >= neg``. Rows without a positive or a negative, and rows with a non-finite score to
    another item, are not valid: they give neither loss nor gradient, and the mean is over the
    valid ones.

    Source: Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.3; batch-hard mining of Hermans et
    al., *In Defense of the Triplet Loss for Person Re-Identification* (arXiv 1703.07737).

    Args:
        margin: in the units of the scores; 16 in the paper, for QAConv's normalized scores.
        reduction: ``"mean"`` or ``"sum"`` of the losses of the valid rows; ``"none"``: ``[B]``,
            with 0 for every other row.

    Raises:
        TypeError, ValueError: an argument is not one of the above.
    """

    def __init__(self, margin: float = 16.0, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.margin = _checks.number("margin", margin, 0, finite=True)
        self.reduction = checked(reduction)

    def extra_repr(self) -> str:
        """The margin, where the module is printed."""
        return f"margin={self.margin}"

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
        scores, finite = finite_rows(scores, masks.positive | masks.negative)
        positive, negative = hardest_pairs(scores, masks)  # [B], [B]
        gap = positive - negative
        loss = (self.margin - gap).clamp(min=0)
        right = positive >= negative
        return reduced(loss, right, gap, masks.paired, finite, self.reduction)

from __future__ import annotations

from torch import Tensor, nn

from qaconv_ext import _checks
from qaconv_ext.losses.pairs import hardest_pairs, pair_masks
from qaconv_ext.losses.rows import LossResult, check_square, finite_rows, mean_of_rows


class HardTripletLoss(nn.Module):
    """Triplet loss on the hardest positive and the hardest negative of each row.

    ``max(0, margin - (pos - neg))`` with ``pos`` the lowest score among the row's positives (the
    item itself excluded) and ``neg`` the highest among its negatives; the mean over the rows that
    count. A row is right when ``pos >= neg``. Rows without a positive or a negative, and rows with
    a non-finite score to another item, give neither loss nor gradient.

    Source: Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.3; batch-hard mining of Hermans et
    al., *In Defense of the Triplet Loss for Person Re-Identification* (arXiv 1703.07737).

    Args:
        margin: in the units of the scores; 16 in the paper, for QAConv's normalized scores.
    """

    def __init__(self, margin: float = 16.0) -> None:
        super().__init__()
        self.margin = _checks.number("margin", margin, 0, finite=True)

    def extra_repr(self) -> str:
        """The margin, where the module is printed."""
        return f"margin={self.margin}"

    def forward(self, scores: Tensor, labels: Tensor) -> LossResult:
        """The loss of a batch matched with itself.

        Args:
            scores: ``[B, B]`` floating, higher for more alike; calculated with in float32 (float64
                for float64), under autocast too.
            labels: ``[B]`` whole numbers, the identities.

        Raises:
            TypeError, ValueError: an argument's type or shape is not one of the above.
        """
        check_square(scores, labels)
        masks = pair_masks(labels)
        scores, finite = finite_rows(scores, masks.positive | masks.negative)
        positive, negative = hardest_pairs(scores, masks)  # [B], [B]
        gap = positive - negative
        loss = (self.margin - gap).clamp(min=0)
        return mean_of_rows(loss, positive >= negative, gap, masks.paired, finite)

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from qaconv_ext.losses.pairs import hardest_pairs, pair_masks
from qaconv_ext.losses.rows import LossResult, check_square, finite_rows, mean_of_rows


class PairwiseMatchingLoss(nn.Module):
    """Each pair of the batch as a yes-or-no question: the same identity or not.

    Binary cross entropy of the scores, taken as logits, against the same-identity matrix (which
    holds the item itself), summed over the row; the mean over the rows that count. A row is right
    when its lowest positive score, the item itself excluded, is above its highest negative. Rows
    without a positive or a negative, and rows with a non-finite score, give neither loss nor
    gradient.

    Source: the pairwise matching loss of release 2.0 of Liao & Shao, arXiv 2104.01546.
    """

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
        scores, finite = finite_rows(scores)
        loss = functional.binary_cross_entropy_with_logits(
            scores, masks.same.to(scores.dtype), reduction="none"
        ).sum(dim=1)  # [B]
        positive, negative = hardest_pairs(scores.detach(), masks)
        return mean_of_rows(loss, positive > negative, positive - negative, masks.paired, finite)

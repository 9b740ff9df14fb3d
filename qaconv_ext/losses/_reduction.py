"""From the losses of the rows to that of the batch: which rows are valid, and their reduction."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from qaconv_ext import _checks

Reduction = Literal["mean", "sum", "none"]


class LossResult(NamedTuple):
    """The loss of a batch, and how many of its rows made it.

    A row is one item of the batch with all its scores. Each loss says which rows are valid; those
    that are neither counted nor dropped have no positive or no negative.
    """

    loss: Tensor
    """What a call of the criterion returns: float32 (float64 for float64 scores), a scalar, or
    ``[B]`` with ``reduction="none"``."""
    accuracy: Tensor
    """Scalar float32 without a graph: the share of the valid rows that are right; 0 for none."""
    gap: Tensor
    """Scalar float32 without a graph: the hardest positive of a row minus its hardest negative,
    in units of the score, mean over the valid rows; 0 for none."""
    counted: Tensor
    """Scalar int64: valid rows."""
    dropped: Tensor
    """Scalar int64: rows with a positive and a negative, but a score or a loss that is NaN or
    infinite."""


def checked(reduction: object) -> Reduction:
    """``reduction``, the argument of a criterion.

    Raises:
        ValueError: it is none of them.
    """
    found: Reduction = _checks.choice("reduction", reduction, get_args(Reduction))
    return found


def reduced(
    loss: Tensor,
    correct: Tensor,
    gap: Tensor,
    paired: Tensor,
    finite: Tensor,
    reduction: Reduction,
) -> LossResult:
    """The result of a batch, from its rows. Valid are those that are both paired and finite.

    Args:
        loss: ``[B]`` floating, of values that `_rows.finite_rows` made safe.
        correct: ``[B]`` boolean, what the accuracy counts.
        gap: ``[B]`` floating: the hardest positive minus the hardest negative.
        paired: ``[B]`` boolean: the row has a positive and a negative.
        finite: ``[B]`` boolean, from `_rows.finite_rows`.
        reduction: of the losses of the valid rows: their mean, which is 0 for none, their sum, or
            none, with 0 in the other rows. Always with a graph.
    """
    # A loss can overflow although all its scores are finite.
    finite = finite & loss.detach().isfinite()
    valid = paired & finite  # [B]
    counted = valid.sum()
    divisor = counted.clamp(min=1)
    loss = torch.where(valid, loss, torch.zeros_like(loss))
    # Checked here too: an attribute can be set after the constructor.
    if checked(reduction) != "none":
        loss = loss.sum()
    if reduction == "mean":
        loss = loss / divisor
    return LossResult(
        loss=loss,
        accuracy=(valid & correct).sum().float() / divisor,
        gap=torch.where(valid, gap.detach().float(), 0.0).sum() / divisor,
        counted=counted,
        dropped=(paired & ~finite).sum(),
    )

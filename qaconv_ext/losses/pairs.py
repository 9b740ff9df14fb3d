"""Pairs within a batch: who is whose positive and negative, and the hardest of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from qaconv_ext import _arguments, _checks
from qaconv_ext.losses._rows import check_labels


class PairMasks(NamedTuple):
    """The pairs of a batch of B labels, boolean."""

    same: Tensor
    """``[B, B]``: same identity, the item itself included."""
    positive: Tensor
    """``[B, B]``: same identity, the item itself excluded."""
    negative: Tensor
    """``[B, B]``: another identity."""
    paired: Tensor
    """``[B]``: the row has at least one positive and at least one negative."""


def pair_masks(labels: Tensor) -> PairMasks:
    """The pairs of a batch matched with itself.

    Args:
        labels: ``[B]`` whole numbers, the identities.

    Returns:
        `PairMasks`, on the device of ``labels``.

    Raises:
        TypeError, ValueError: ``labels`` is not one of the above.
    """
    check_labels(labels)
    if labels.dim() != 1:
        raise ValueError(f"labels: got shape {list(labels.shape)}, wanted [B]")
    same = labels[:, None] == labels[None, :]  # [B, B]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = same & ~itself
    negative = ~same
    return PairMasks(same, positive, negative, positive.any(dim=1) & negative.any(dim=1))


def hardest_pairs(scores: Tensor, masks: PairMasks) -> tuple[Tensor, Tensor]:
    """The lowest score of a positive and the highest of a negative, per row.

    Of equal scores the one with the lowest index is taken, and alone gets the gradient.

    Args:
        scores: ``[B, B]`` floating, higher for more alike.
        masks: the pairs, from `pair_masks`.

    Returns:
        Two tensors ``[B]``; without a meaning in rows that are not ``masks.paired``.

    Raises:
        TypeError, ValueError: an argument's type or shape is not one of the above.
    """
    _checks.instance("masks", masks, PairMasks, "the PairMasks of pair_masks")
    _arguments.floating("scores", scores)
    if scores.shape != masks.same.shape:
        wanted = list(masks.same.shape)
        raise ValueError(f"scores: got shape {list(scores.shape)}, wanted {wanted} as masks have")
    _arguments.same_device("scores", scores, masks.same, "as masks")
    if len(scores) == 0:  # argmin refuses an empty row
        return scores.sum(dim=1), scores.sum(dim=1)
    fixed = scores.detach()
    lowest = fixed.masked_fill(~masks.positive, math.inf).argmin(dim=1, keepdim=True)  # [B, 1]
    highest = fixed.masked_fill(~masks.negative, -math.inf).argmax(dim=1, keepdim=True)
    return scores.gather(1, lowest).squeeze(1), scores.gather(1, highest).squeeze(1)

"""Is it the same person? The share of matches found at a share of false alarms, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows, slices
from qaconv_reid.evaluation.labels import Cameras, Labels, Pids, Rule, check_rule
from qaconv_reid.evaluation.ranking import count_matches
from qaconv_reid.evaluation.thresholds import allowed, check_rates, thresholds

__all__ = ["Verification", "evaluate_verification"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What each threshold is worth; a pair is accepted whose score is at or above it."""

    false_positive_rate: NDArray[np.float64]
    """``[rates]``: as asked for; the share of false pairs accepted is not above it."""
    threshold: NDArray[np.float64]
    """``[rates]``: the lowest that keeps to the rate; -inf where it accepts everything."""
    true_positive_rate: NDArray[np.float64]
    """``[rates]``: the share of true pairs accepted."""
    positives: int
    """Pairs of one identity."""
    negatives: int
    """Pairs of two identities."""


def evaluate_verification(
    score_blocks: ScoreBlocks,
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
    *,
    false_positive_rates: Sequence[float] = (1e-4, 1e-3, 1e-2),
    rule: Rule = "market",
) -> Verification:
    """Thresholds by the rate of false pairs that they accept.

    Exact. Of the false pairs only as many are held as the greatest rate lets through, a few times
    over.

    Args:
        score_blocks: as for `evaluate_ranking`, and so the next four.
        query_ids: ``[queries]``.
        query_cams: ``[queries]``.
        gallery_ids: ``[gallery]``.
        gallery_cams: ``[gallery]``.
        false_positive_rates: 0 to 1 each.
        rule: which pairs by one camera do not count.

    Raises:
        ValueError: a rate is out of range, there are no pairs of one or of two identities, or as
            `evaluate_ranking`.
    """
    rates = check_rates("false_positive_rates", false_positive_rates)
    check_rule(rule)
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    labels = (query_ids, query_cams, gallery_ids, gallery_cams)
    positives = int(count_matches(*labels, rule=rule).sum())
    # All pairs that the rule keeps are those of one identity and those of two.
    kept = sum(
        int((~query.matches(gallery, rows, rule)[1]).sum())
        for rows in slices(len(query), len(gallery))
    )
    negatives = kept - positives
    if positives == 0 or negatives == 0:
        raise ValueError(
            f"query and gallery: got {positives} pairs of one identity and {negatives} of two, "
            "wanted both"
        )
    highest = _Highest(max(allowed(float(rate), negatives) for rate in rates) + 1)
    true = []
    for rows, scores in score_rows(score_blocks, len(query), len(gallery)):
        matches, left_out = (m.to(scores.device) for m in query.matches(gallery, rows, rule))
        true.append(scores[matches].cpu())
        highest.offer(scores[~matches & ~left_out].cpu())
    at = thresholds(highest.sorted(), negatives, rates)
    found = torch.cat(true).double().sort().values.numpy()
    reached = len(found) - np.searchsorted(found, at)
    return Verification(rates, at, reached / positives, positives, negatives)


class _Highest:
    """The highest of many numbers that come in parts."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._held: list[Tensor] = []
        self._size = 0
        self._bound = -torch.inf

    def offer(self, values: Tensor) -> None:
        values = values[values >= self._bound]
        self._held.append(values)
        self._size += len(values)
        if self._size > 3 * self._number:
            self._held = [torch.cat(self._held).topk(self._number, sorted=False).values]
            self._size = self._number
            self._bound = float(self._held[0].min())

    def sorted(self) -> Tensor:
        """Descending."""
        joined = torch.cat(self._held)
        return joined.topk(min(self._number, len(joined))).values

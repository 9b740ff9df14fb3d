"""Cumulative matching characteristic and mean average precision, exactly and in a stream.

The protocol is Market-1501's (Zheng et al., *Scalable Person Re-identification: A Benchmark*, ICCV
2015): a gallery image of the query's identity from the query's camera is left out of that query's
ranking, and a query with no match left is not counted. mINP is that of Ye et al., *Deep Learning
for Person Re-identification: A Survey and Outlook*, TPAMI 2022.

Nothing is sorted but each query's matches: every number follows from how many gallery images score
at least as high as each match, which one pass over a row of scores counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows, slices
from qaconv_reid.evaluation.labels import NO_MATCH, Cameras, Labels, Pids, Rule, check_rule

__all__ = [
    "Area",
    "Ranking",
    "best_index",
    "count_matches",
    "evaluate_ranking",
    "measure_rows",
    "stable_rank",
]

Area = Literal["plain", "trapezoid"]
"""How average precision is summed up: the mean of the precisions at the matches, or, as in the
MATLAB code of Market-1501, the area under straight lines between the points of the
precision-recall curve, which begins at recall 0 and precision 1."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the ranking of a gallery for every query is worth."""

    cmc: NDArray[np.float64]
    """``[max_rank]``: the share of counted queries with a match among the first k, at k - 1."""
    mAP: float
    """Mean average precision over the counted queries."""
    mINP: float
    """Mean inverse negative penalty: number of matches over the rank of the last of them."""
    queries: int
    """Queries in all."""
    counted: int
    """Queries with at least one match in their ranking; the means are over these."""
    left_out: int
    """Pairs that the rule leaves out of the rankings."""
    average_precision: NDArray[np.float64]
    """``[queries]``; NaN where the query is not counted."""
    inverse_negative_penalty: NDArray[np.float64]
    """``[queries]``; NaN where the query is not counted."""
    first_match: NDArray[np.int64]
    """``[queries]``: rank of the first match, counted from 1; 0 where the query is not counted."""
    taken_for: NDArray[np.int64]
    """``[queries]``: gallery index of the first of its ranking; -1 where the ranking is empty."""

    @property
    def uncounted(self) -> int:
        """Queries without a match in their ranking."""
        return self.queries - self.counted

    def rank(self, k: int) -> float:
        """Share of counted queries with a match among the first ``k``; ``k`` of 1 to max_rank."""
        if not 1 <= k <= len(self.cmc):
            raise ValueError(f"k: got {k}, wanted 1 to {len(self.cmc)}")
        return float(self.cmc[k - 1])

    def hits(self, k: int) -> NDArray[np.float64]:
        """``[queries]``: 1 where a match is among the first ``k``, else 0; NaN if not counted."""
        found = (self.first_match <= k).astype(np.float64)
        return np.where(self.first_match > 0, found, np.nan)


def count_matches(
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
    *,
    rule: Rule = "market",
) -> NDArray[np.int64]:
    """How many gallery images match each query, ``[queries]``; needs no scores.

    The arguments are those of `evaluate_ranking`.
    """
    check_rule(rule)
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    counts = [
        query.matches(gallery, rows, rule)[0].sum(dim=1)
        for rows in slices(len(query), len(gallery))
    ]
    return torch.cat(counts).numpy()


def evaluate_ranking(
    score_blocks: ScoreBlocks,
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
    *,
    max_rank: int = 50,
    rule: Rule = "market",
    area: Area = "plain",
) -> Ranking:
    """Rank the gallery for every query and measure it.

    Equal scores: the average precision takes them together, as scikit-learn's
    ``average_precision_score`` does, so it does not depend on their order; ranks (CMC and mINP)
    take them in the order of the gallery, as a stable sort would.

    Args:
        score_blocks: higher for more alike, as `qaconv_reid.evaluation.blocks.ScoreBlocks`.
        query_ids: ``[queries]``, the identity in each.
        query_cams: ``[queries]``, its camera, None where not known; or None when no camera is.
        gallery_ids: ``[gallery]``, as ``query_ids``.
        gallery_cams: ``[gallery]``, as ``query_cams``.
        max_rank: length of the CMC curve.
        rule: ``market`` leaves images of the query's identity by its camera out of the ranking,
            ``cross-camera`` all images by its camera.
        area: ``plain`` is the mean precision at the matches; ``trapezoid`` compares with figures of
            the MATLAB code of Market-1501.

    Raises:
        ValueError: a block has another shape or holds a NaN, the blocks are too few or too many, or
            no query has a match.
    """
    if max_rank < 1:
        raise ValueError(f"max_rank: got {max_rank}, wanted at least 1")
    check_rule(rule)
    if area not in get_args(Area):
        raise ValueError(f"area: got {area!r}, wanted one of {', '.join(get_args(Area))}")
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    measured: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    left_out_pairs = 0
    for rows, scores in score_rows(score_blocks, len(query), len(gallery)):
        matches, left_out = query.matches(gallery, rows, rule)
        left_out_pairs += int(left_out.sum())
        matches, kept = matches.to(scores.device), ~left_out.to(scores.device)
        measured.append((*measure_rows(scores, matches, kept, area), best_index(scores, kept)))
    precision, penalty, first, taken_for = (torch.cat(p) for p in zip(*measured, strict=True))
    return _summary(precision, penalty, first, taken_for, left_out_pairs, max_rank)


def _summary(
    precision: Tensor,
    penalty: Tensor,
    first: Tensor,
    taken_for: Tensor,
    left_out: int,
    max_rank: int,
) -> Ranking:
    """The means over the counted queries, from what was measured of each, ``[queries]``.

    Raises:
        ValueError: no query is counted.
    """
    precision, penalty, first = precision.cpu(), penalty.cpu(), first.cpu()
    counted = first > 0
    number = int(counted.sum())
    if number == 0:
        raise ValueError(f"query: {NO_MATCH}")
    hits = torch.bincount(first[counted & (first <= max_rank)], minlength=max_rank + 1)[1:]
    return Ranking(
        cmc=(hits.cumsum(0).double() / number).numpy(),
        mAP=float(precision[counted].mean()),
        mINP=float(penalty[counted].mean()),
        queries=len(first),
        counted=number,
        left_out=left_out,
        average_precision=precision.numpy(),
        inverse_negative_penalty=penalty.numpy(),
        first_match=first.numpy(),
        taken_for=taken_for.cpu().numpy(),
    )


def measure_rows(
    scores: Tensor, matches: Tensor, kept: Tensor, area: Area = "plain"
) -> tuple[Tensor, Tensor, Tensor]:
    """Average precision and inverse negative penalty (float64), rank of the first match (int64).

    All ``[rows]``, from ``[rows, gallery]``; NaN, NaN and 0 for a row without a match.
    """
    number = matches.sum(dim=1)  # [rows]
    most = int(number.max())
    if most == 0:
        return number.double() * torch.nan, number.double() * torch.nan, number

    # The matches' scores, ascending; rows with fewer than the most are filled up with +inf.
    of_matches = torch.where(matches, scores, torch.inf).topk(most, largest=False, sorted=True)
    ascending = of_matches.values.contiguous()  # [rows, most]
    real = torch.arange(most, device=scores.device) < number[:, None]

    # How many matches each gallery image scores at least as high as. One at +inf counts the filling
    # too, which does no harm: it is at least as high as every match in any case.
    beaten = torch.searchsorted(ascending, scores, right=True, out_int32=True)  # [rows, gallery]
    at_least = _at_least_counts(beaten, kept, most)  # [rows, most]
    matches_at_least = number[:, None] - torch.searchsorted(ascending, ascending)

    precision = matches_at_least.double() / at_least.clamp(min=1)
    if area == "trapezoid":
        # The point of the curve before this one: that of the next higher score.
        beaten = torch.searchsorted(ascending, scores, out_int32=True)
        above = _at_least_counts(beaten, kept, most)
        matches_above = number[:, None] - torch.searchsorted(ascending, ascending, right=True)
        before = matches_above.double() / above.clamp(min=1)
        precision = (precision + torch.where(above > 0, before, 1.0)) / 2
    precision = torch.where(real, precision, 0.0)
    average_precision = precision.sum(dim=1) / number

    best = torch.where(matches, scores, -torch.inf).amax(dim=1)
    first = stable_rank(scores, kept, best, _extreme_index(scores, matches, best, last=False))
    worst = ascending[:, 0]
    last = stable_rank(scores, kept, worst, _extreme_index(scores, matches, worst, last=True))

    without = number == 0
    penalty = (number.double() / last).masked_fill(without, torch.nan)
    return average_precision, penalty, first.masked_fill(without, 0)


def _at_least_counts(beaten: Tensor, chosen: Tensor, most: int) -> Tensor:
    """For match j of each row, how many chosen images score at least as high, ``[rows, most]``."""
    rows = len(beaten)
    offset = torch.arange(rows, dtype=torch.int32, device=beaten.device)[:, None] * (most + 1)
    histogram = torch.bincount((beaten + offset)[chosen], minlength=rows * (most + 1))
    # Images with beaten > j are those that score at least as high as match j (ascending).
    return histogram.view(rows, most + 1).flip(1).cumsum(1).flip(1)[:, 1:]


def _extreme_index(scores: Tensor, matches: Tensor, value: Tensor, *, last: bool) -> Tensor:
    """Gallery index of each row's first or last match with that score, ``[rows]``."""
    candidates = matches & (scores == value[:, None])
    if last:
        return scores.shape[1] - 1 - candidates.flip(1).byte().argmax(dim=1)
    return candidates.byte().argmax(dim=1)


def best_index(scores: Tensor, kept: Tensor) -> Tensor:
    """Index of each row's first of the highest kept score, ``[rows]`` int64; -1 for none kept."""
    best = torch.where(kept, scores, -torch.inf).amax(dim=1)
    index = _extreme_index(scores, kept, best, last=False)
    return index.masked_fill(~kept.any(dim=1), -1)


def stable_rank(scores: Tensor, kept: Tensor, value: Tensor, index: Tensor) -> Tensor:
    """Rank from 1 of the image of that score and index among those kept, ``[rows]`` int64."""
    earlier = torch.arange(scores.shape[1], device=scores.device) <= index[:, None]
    ahead = (scores > value[:, None]) | ((scores == value[:, None]) & earlier)
    return (ahead & kept).sum(dim=1)

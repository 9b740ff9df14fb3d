"""Open set: who is not in the gallery is not to be found there.

Detection and identification rate at a false-alarm rate, as in Phillips, Grother and Micheals,
*Evaluation Methods in Face Recognition* (Handbook of Face Recognition, 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows
from qaconv_reid.evaluation.labels import Cameras, Labels, Pids, Rule, check_rule
from qaconv_reid.evaluation.ranking import best_index, stable_rank
from qaconv_reid.evaluation.thresholds import check_rates, thresholds

__all__ = ["OpenSet", "evaluate_open_set"]


@dataclass(frozen=True, slots=True)
class OpenSet:
    """What each threshold is worth; an answer is given whose score is at or above it."""

    false_alarm_rate: NDArray[np.float64]
    """``[rates]``: as asked for; the share of absent queries that are answered is not above it."""
    threshold: NDArray[np.float64]
    """``[rates]``: the lowest that keeps to the rate; -inf where it answers everything."""
    identification_rate: NDArray[np.float64]
    """``[rates]``: share of present queries whose match is answered, within the rank asked for."""
    present: int
    """Queries with a match in the gallery."""
    absent: int
    """Queries without one."""


def evaluate_open_set(
    score_blocks: ScoreBlocks,
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
    *,
    false_alarm_rates: Sequence[float] = (0.01, 0.1),
    absent: Sequence[int] = (),
    rank: int = 1,
    rule: Rule = "market",
) -> OpenSet:
    """Thresholds by the rate of false alarms.

    Args:
        score_blocks: as for `evaluate_ranking`, and so the next four.
        query_ids: ``[queries]``.
        query_cams: ``[queries]``.
        gallery_ids: ``[gallery]``.
        gallery_cams: ``[gallery]``.
        false_alarm_rates: 0 to 1 each: of the queries without a match.
        absent: identities whose gallery images are taken out, where a data set has no absent ones.
        rank: a match has to be among so many first.
        rule: which gallery images by the query's camera are left out.

    Raises:
        ValueError: a rate or the rank is out of range, no query is present or none absent, or as
            `evaluate_ranking`.
    """
    rates = check_rates("false_alarm_rates", false_alarm_rates)
    check_rule(rule)
    if rank < 1:
        raise ValueError(f"rank: got {rank}, wanted at least 1")
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    gone = torch.isin(gallery.pids, torch.tensor(list(absent), dtype=torch.int64))
    alarms, found = [], []
    for rows, scores in score_rows(score_blocks, len(query), len(gallery)):
        matches, left_out = query.matches(gallery, rows, rule)
        matches = (matches & ~gone).to(scores.device)
        kept = (~left_out & ~gone).to(scores.device)
        here = matches.any(dim=1)
        alarms.append(torch.where(kept, scores, -torch.inf).amax(dim=1)[~here].cpu())
        score = torch.where(matches, scores, -torch.inf).amax(dim=1)
        place = stable_rank(scores, kept, score, best_index(scores, matches))
        # A match that comes too late is as one that is never answered.
        found.append(score.masked_fill(place > rank, torch.nan)[here].cpu())
    false, true = torch.cat(alarms), torch.cat(found)
    if len(false) == 0 or len(true) == 0:
        raise ValueError(
            f"query: got {len(true)} with a match in the gallery and {len(false)} without, wanted "
            "both (absent takes identities out of the gallery)"
        )
    at = thresholds(false.sort(descending=True).values, len(false), rates)
    answered = [(true.double() >= float(threshold)).double().mean().item() for threshold in at]
    return OpenSet(rates, at, np.array(answered), len(true), len(false))

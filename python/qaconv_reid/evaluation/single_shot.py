"""The single-gallery-shot protocol: one gallery image of every identity, drawn by lot, repeatedly.

CUHK03's first protocol (Li et al., *DeepReID*, CVPR 2014): images by the query's own camera are
left out, of every identity one of the others is drawn for each query, and the measures are means
over repeats. With a single match, its average precision is one over its rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.blocks import ScoreBlocks, score_rows
from qaconv_reid.evaluation.labels import NO_MATCH, Cameras, Labels, Pids, Rule, check_rule
from qaconv_reid.evaluation.ranking import Ranking, best_index, stable_rank

__all__ = ["RepeatedRanking", "evaluate_single_shot"]


@dataclass(frozen=True, slots=True)
class RepeatedRanking(Ranking):
    """Means over repeats; ``first_match`` is the median, ``taken_for`` is of the whole gallery."""

    ranks: NDArray[np.int64]
    """``[repeats, queries]``: rank of the match; 0 where the query is not counted."""

    def hits(self, k: int) -> NDArray[np.float64]:
        """``[queries]``: share of the repeats with the match among the first ``k``, or NaN."""
        share = (self.ranks <= k).mean(axis=0)
        return np.where(self.first_match > 0, share, np.nan)


def evaluate_single_shot(
    score_blocks: ScoreBlocks,
    query_ids: Pids,
    query_cams: Cameras,
    gallery_ids: Pids,
    gallery_cams: Cameras,
    *,
    repeats: int = 10,
    seed: int = 0,
    rule: Rule = "cross-camera",
    max_rank: int = 50,
) -> RepeatedRanking:
    """Measure with one gallery image of each identity.

    What is drawn depends on the seed, the query's number and the gallery's size, and on nothing
    else: neither on blocks nor on the device.

    Args:
        score_blocks: as for `evaluate_ranking`, and so the next four.
        query_ids: ``[queries]``.
        query_cams: ``[queries]``.
        gallery_ids: ``[gallery]``.
        gallery_cams: ``[gallery]``.
        repeats: drawings for each query.
        seed: of the drawings.
        rule: which gallery images are not drawn from.
        max_rank: length of the CMC curve.

    Raises:
        ValueError: as `evaluate_ranking`, or ``repeats`` is not positive.
    """
    for name, value in (("repeats", repeats), ("max_rank", max_rank)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, wanted at least 1")
    check_rule(rule)
    query = Labels("query", query_ids, query_cams)
    gallery = Labels("gallery", gallery_ids, gallery_cams)
    _, pid = torch.unique(gallery.pids, return_inverse=True)
    ranks, taken_for, left_out_pairs = [], [], 0
    for rows, scores in score_rows(score_blocks, len(query), len(gallery)):
        matches, left_out = query.matches(gallery, rows, rule)
        left_out_pairs += int(left_out.sum())
        matches, kept = matches.to(scores.device), ~left_out
        here = [
            _ranks(scores, matches, _drawn(pid, kept, seed, repeat, rows).to(scores.device))
            for repeat in range(repeats)
        ]
        ranks.append(torch.stack(here).cpu())
        taken_for.append(best_index(scores, kept.to(scores.device)).cpu())
    return _means(torch.cat(ranks, dim=1).numpy(), torch.cat(taken_for), left_out_pairs, max_rank)


def _drawn(pid: Tensor, kept: Tensor, seed: int, repeat: int, rows: slice) -> Tensor:
    """Which images are drawn, bool ``[rows, gallery]``: of an identity the one of highest lot."""
    lots = [
        np.random.default_rng([seed, repeat, query]).random(len(pid))
        for query in range(rows.start, rows.stop)
    ]
    lot = torch.from_numpy(np.stack(lots)).masked_fill_(~kept, -1.0)
    place = pid.expand_as(lot)
    best = lot.new_full((len(lot), int(pid.max()) + 1), -1.0)
    best.scatter_reduce_(1, place, lot, "amax")
    return (lot == best.gather(1, place)) & kept


def _ranks(scores: Tensor, matches: Tensor, drawn: Tensor) -> Tensor:
    """The rank of each row's drawn match among all drawn, ``[rows]``; 0 for none."""
    match = matches & drawn
    value = torch.where(match, scores, -torch.inf).amax(dim=1)
    rank = stable_rank(scores, drawn, value, match.byte().argmax(dim=1))
    return rank.masked_fill(~match.any(dim=1), 0)


def _means(
    ranks: NDArray[np.int64], taken_for: Tensor, left_out: int, max_rank: int
) -> RepeatedRanking:
    counted = ranks[0] > 0
    if not counted.any():
        raise ValueError(f"query: {NO_MATCH}")
    precision = np.full(ranks.shape[1], np.nan)
    precision[counted] = (1 / ranks[:, counted]).mean(axis=0)
    hits = [(ranks[:, counted] <= k).mean() for k in range(1, max_rank + 1)]
    return RepeatedRanking(
        cmc=np.array(hits),
        mAP=float(precision[counted].mean()),
        mINP=float(precision[counted].mean()),
        queries=len(counted),
        counted=int(counted.sum()),
        left_out=left_out,
        average_precision=precision,
        inverse_negative_penalty=precision,
        first_match=np.ceil(np.median(ranks, axis=0)).astype(np.int64),
        taken_for=taken_for.numpy(),
        ranks=ranks,
    )

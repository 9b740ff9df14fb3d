"""Cumulative matching characteristic and mean average precision, exactly and in a stream.

The protocol is Market-1501's (Zheng et al., *Scalable Person Re-identification: A Benchmark*, ICCV
2015): a gallery image of the query's person from the query's camera is left out of that query's
ranking, and a query with no match left is not counted. mINP is that of Ye et al., *Deep Learning
for Person Re-identification: A Survey and Outlook*, TPAMI 2022.

Nothing is sorted but each query's matches: every number follows from how many gallery images score
at least as high as each match, which one pass over a row of scores counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = ["Cameras", "Persons", "Ranking", "count_matches", "evaluate_ranking"]

Persons = Sequence[int] | NDArray[np.int64] | Tensor
Cameras = Sequence[int | None] | NDArray[np.int64] | Tensor | None

_CELLS_AT_ONCE = 1 << 22
"""Scores looked at together: what bounds the memory that is needed beside a block."""


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
    """Pairs left out as the same person from the same camera."""
    average_precision: NDArray[np.float64]
    """``[queries]``; NaN where the query is not counted."""
    inverse_negative_penalty: NDArray[np.float64]
    """``[queries]``; NaN where the query is not counted."""
    first_match: NDArray[np.int64]
    """``[queries]``: rank of the first match, counted from 1; 0 where the query is not counted."""

    @property
    def uncounted(self) -> int:
        """Queries without a match in their ranking."""
        return self.queries - self.counted

    def rank(self, k: int) -> float:
        """Share of counted queries with a match among the first ``k``; ``k`` of 1 to max_rank."""
        if not 1 <= k <= len(self.cmc):
            raise ValueError(f"k: got {k}, wanted 1 to {len(self.cmc)}")
        return float(self.cmc[k - 1])


class _Labels:
    """Persons and cameras of one side, checked."""

    def __init__(self, side: str, persons: Persons, cameras: Cameras) -> None:
        self.persons = torch.as_tensor(persons, dtype=torch.int64)
        if self.persons.dim() != 1 or len(self.persons) == 0:
            raise ValueError(
                f"{side}_ids: got shape {list(self.persons.shape)}, wanted [N] with N at least 1"
            )
        if isinstance(cameras, Tensor | np.ndarray):
            cameras = cameras.tolist()
        listed = [None] * len(self.persons) if cameras is None else list(cameras)
        if len(listed) != len(self.persons):
            raise ValueError(
                f"{side}_cams: got {len(listed)} for {len(self.persons)} images, wanted as many"
            )
        self.known = torch.tensor([camera is not None for camera in listed])
        self.cameras = torch.tensor([0 if camera is None else int(camera) for camera in listed])

    def __len__(self) -> int:
        return len(self.persons)

    def matches(self, gallery: _Labels, rows: slice) -> tuple[Tensor, Tensor]:
        """For the queries of ``rows``, two bool ``[rows, gallery]``.

        First the matches: same person and in the ranking. Then what is left out of the ranking:
        same person, same camera; an unknown camera is never the same as another.
        """
        same = self.persons[rows, None] == gallery.persons
        same_camera = self.cameras[rows, None] == gallery.cameras
        same_camera &= self.known[rows, None] & gallery.known
        left_out = same & same_camera
        return same & ~left_out, left_out


def count_matches(
    query_ids: Persons, query_cams: Cameras, gallery_ids: Persons, gallery_cams: Cameras
) -> NDArray[np.int64]:
    """How many gallery images match each query, ``[queries]``; needs no scores.

    The arguments are those of `evaluate_ranking`.
    """
    query, gallery = (
        _Labels("query", query_ids, query_cams),
        _Labels("gallery", gallery_ids, gallery_cams),
    )
    counts = [
        query.matches(gallery, rows)[0].sum(dim=1) for rows in _slices(len(query), len(gallery))
    ]
    return torch.cat(counts).numpy()


def evaluate_ranking(
    score_blocks: Iterable[Tensor | ArrayLike],
    query_ids: Persons,
    query_cams: Cameras,
    gallery_ids: Persons,
    gallery_cams: Cameras,
    *,
    max_rank: int = 50,
) -> Ranking:
    """Rank the gallery for every query and measure it.

    Equal scores: the average precision takes them together, as scikit-learn's
    ``average_precision_score`` does, so it does not depend on their order; ranks (CMC and mINP)
    take them in the order of the gallery, as a stable sort would.

    Args:
        score_blocks: blocks ``[b, gallery]`` floating, higher for more alike, of consecutive
            queries, together all of them; any sizes give the same numbers. Only one is held at a
            time; the work is done where it lies.
        query_ids: ``[queries]``, the person in each.
        query_cams: ``[queries]``, its camera, None where not known; or None when no camera is.
        gallery_ids: ``[gallery]``, as ``query_ids``.
        gallery_cams: ``[gallery]``, as ``query_cams``.
        max_rank: length of the CMC curve.

    Raises:
        ValueError: a block has another shape or holds a NaN, the blocks are too few or too many, or
            no query has a match.
    """
    if max_rank < 1:
        raise ValueError(f"max_rank: got {max_rank}, wanted at least 1")
    query, gallery = (
        _Labels("query", query_ids, query_cams),
        _Labels("gallery", gallery_ids, gallery_cams),
    )
    measured: list[tuple[Tensor, Tensor, Tensor]] = []
    start = left_out_pairs = 0
    for block in score_blocks:
        scores = torch.as_tensor(block)
        _check_block(scores, start, len(query), len(gallery))
        for part in _slices(len(scores), len(gallery)):
            rows = slice(start + part.start, start + part.stop)
            matches, left_out = query.matches(gallery, rows)
            left_out_pairs += int(left_out.sum())
            measured.append(
                _measure_rows(
                    scores[part].to(torch.promote_types(scores.dtype, torch.float32)),
                    matches.to(scores.device),
                    ~left_out.to(scores.device),
                )
            )
        start += len(scores)
    if start != len(query):
        raise ValueError(f"score_blocks: got {start} rows, wanted one for each of {len(query)}")
    precision, penalty, first = (torch.cat(parts).cpu() for parts in zip(*measured, strict=True))
    return _summary(precision, penalty, first, left_out_pairs, max_rank)


def _summary(
    precision: Tensor, penalty: Tensor, first: Tensor, left_out: int, max_rank: int
) -> Ranking:
    counted = first > 0
    number = int(counted.sum())
    if number == 0:
        raise ValueError(
            "query: got no query with a match in the gallery (same person, another camera), "
            "wanted at least one"
        )
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
    )


def _measure_rows(scores: Tensor, matches: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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

    precision = torch.where(real, matches_at_least.double() / at_least.clamp(min=1), 0.0)
    average_precision = precision.sum(dim=1) / number

    best = torch.where(matches, scores, -torch.inf).amax(dim=1)
    first = _stable_rank(scores, kept, best, _extreme_index(scores, matches, best, last=False))
    worst = ascending[:, 0]
    last = _stable_rank(scores, kept, worst, _extreme_index(scores, matches, worst, last=True))

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


def _stable_rank(scores: Tensor, kept: Tensor, value: Tensor, index: Tensor) -> Tensor:
    """Rank from 1 of the image of that score and index among those kept, ``[rows]`` int64."""
    earlier = torch.arange(scores.shape[1], device=scores.device) <= index[:, None]
    ahead = (scores > value[:, None]) | ((scores == value[:, None]) & earlier)
    return (ahead & kept).sum(dim=1)


def _check_block(scores: Tensor, start: int, queries: int, gallery: int) -> None:
    if scores.dim() != 2 or scores.shape[1] != gallery:
        raise ValueError(f"scores: got shape {list(scores.shape)}, wanted [b, {gallery}]")
    if start + len(scores) > queries:
        raise ValueError(
            f"score_blocks: got at least {start + len(scores)} rows, "
            f"wanted one for each of {queries}"
        )
    if not scores.is_floating_point():
        raise ValueError(f"scores: got {scores.dtype}, wanted a floating type")
    bad = torch.isnan(scores).any(dim=1)
    if bool(bad.any()):
        raise ValueError(f"scores: got NaN for query {start + int(bad.byte().argmax())}")


def _slices(rows: int, columns: int) -> Iterable[slice]:
    step = max(1, _CELLS_AT_ONCE // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))

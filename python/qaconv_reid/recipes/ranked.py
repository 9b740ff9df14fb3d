"""Ranked lists of a data set: the worst and the best, and whom each identity is taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qaconv_reid.data import Record, ReidDataset, open_rgb
from qaconv_reid.evaluation import FeatureSet, Identities, Measures, Ranking, score_blocks
from qaconv_reid.evaluation.labels import Labels
from qaconv_reid.evaluation.protocols import measure, sides_by_protocol
from qaconv_reid.recipes.probability import Chance
from qaconv_reid.reports import (
    Confusion,
    Found,
    RankedList,
    Sighting,
    confusions,
    ranked_picture,
    save_picture,
)

__all__ = ["Searched", "Watch", "draw_ranked", "search"]

_WORST, _BEST = 6, 2
_FOUND = 10

Watch = Callable[[NDArray[np.float32], NDArray[np.bool_]], None]
"""Sees scores of some queries, and which of them are of one identity."""


@dataclass(frozen=True, slots=True)
class _Row:
    """The best of one query's ranking."""

    best: tuple[tuple[int, float], ...]
    """Gallery numbers and scores."""
    first: tuple[int, float] | None
    """Those of the first true match."""


class Searched:
    """What was found for every query of a data set."""

    def __init__(
        self, dataset: ReidDataset, ranking: Ranking, rows: list[_Row], chance: Chance
    ) -> None:
        self.dataset = dataset
        self.ranking = ranking
        self._rows = rows
        self._chance = chance

    def queries(self, worst: int, best: int) -> list[int]:
        """Numbers of the worst queries, then of the best, by average precision, each once."""
        precision = self.ranking.average_precision
        order = [int(i) for i in np.argsort(precision, kind="stable") if precision[i] >= 0]
        worst = min(worst, len(order))
        return order[:worst] + order[max(worst, len(order) - best) :]

    def ranked(self, query: int) -> RankedList:
        """The list of one query."""
        row, record = self._rows[query], self.dataset.query[query]
        place = int(self.ranking.first_match[query])
        return RankedList(
            query=_sighting(record),
            found=tuple(
                self._found(record, rank, *pair) for rank, pair in enumerate(row.best, start=1)
            ),
            first=None if row.first is None else self._found(record, place, *row.first),
            average_precision=float(self.ranking.average_precision[query]),
        )

    def numbers(self, query: int) -> tuple[int, int | None]:
        """Gallery numbers of what came first for a query, and of its first true match."""
        row = self._rows[query]
        return row.best[0][0], None if row.first is None else row.first[0]

    def confusions(self) -> list[Confusion]:
        """Whom each identity is taken for, of queries that have a match."""
        gallery = self.dataset.gallery
        return confusions(
            (record.person, gallery[row.best[0][0]].person)
            for record, row in zip(self.dataset.query, self._rows, strict=True)
            if row.first is not None
        )

    def _found(self, query: Record, rank: int, index: int, score: float) -> Found:
        record = self.dataset.gallery[index]
        right = record.person == query.person
        return Found(_sighting(record), rank, right, score, self._chance(score))


def search(
    matcher: nn.Module,
    dataset: ReidDataset,
    query: FeatureSet,
    gallery: FeatureSet,
    *,
    device: torch.device,
    chance: Chance,
    watch: Watch | None = None,
) -> Searched:
    """Rank the gallery for every query; keep the best of each.

    Gallery images of the query's identity by the query's camera are left out, as in the measures.

    Args:
        matcher: on ``device``.
        dataset: whose images these are.
        query: those of its queries.
        gallery: those of its gallery.
        device: where the matcher runs.
        chance: what a score is as a probability.
        watch: given the scores of all pairs that count, and whether they are of one identity.
    """
    rows: list[_Row] = []
    identities = Identities.of(dataset)
    sides = sides_by_protocol("market", identities)

    def watched() -> Iterator[Tensor]:
        for scores in score_blocks(matcher, query.maps, gallery.maps, device=device):
            scores = scores.cpu()
            if watch is not None:
                _watch(watch, scores, *sides, len(rows))
            rows.extend(_rows(scores, *sides, len(rows)))
            yield scores

    return Searched(dataset, measure(Measures(), watched(), identities), rows, chance)


def _watch(watch: Watch, scores: Tensor, query: Labels, gallery: Labels, start: int) -> None:
    """Of a block of scores, as `_rows`."""
    matches, left_out = query.matches(gallery, slice(start, start + len(scores)))
    watch(scores[~left_out].numpy(), matches[~left_out].numpy())


def _rows(scores: Tensor, query: Labels, gallery: Labels, start: int) -> Iterator[_Row]:
    """Of a block of scores ``[b, gallery]``, whose first query is number ``start``."""
    matches, left_out = query.matches(gallery, slice(start, start + len(scores)))
    for row, own, out in zip(scores, matches, left_out, strict=True):
        yield _Row(
            tuple((index, float(row[index])) for index in _best(row, ~out, _FOUND)),
            next(((i, float(row[i])) for i in _best(row, own, 1)), None),
        )


def _best(scores: Tensor, kept: Tensor, count: int) -> list[int]:
    """Numbers of the best of those kept, of equal scores the lower first, without sorting all."""
    candidates = kept.nonzero()[:, 0]
    values = scores[candidates]
    if len(values) > count:
        last = values.topk(count).values[-1]
        candidates = candidates[values >= last]
    order = scores[candidates].argsort(descending=True, stable=True)[:count]
    return candidates[order].tolist()


def draw_ranked(searched: Searched, name: str, folder: Path) -> None:
    """Write ``<folder>/<data set's name>.png``: the lists of the worst queries, then of the best.

    Args:
        searched: what was found.
        name: of the run, for the title.
        folder: where the image goes.
    """
    lists = [searched.ranked(number) for number in searched.queries(_WORST, _BEST)]
    title = f"{name} on {searched.dataset.name}: the worst queries, then the {_BEST} best"
    save_picture(ranked_picture(lists, title, open_rgb), folder / f"{searched.dataset.name}.png")


def _sighting(record: Record) -> Sighting:
    return Sighting(record.path, record.person, record.camera, record.time)

"""What can be made of the scores of all pairs after the matching: re-ranking, temporal lifting.

Temporal lifting wants likenesses from 0 to 1 of which most are near 0; matchers differ in where
their scores lie. So it is given ``sigmoid(2 z - 4)``, z being the score less the mean of all pairs,
over their standard deviation: of pairs that are spread normally the mean is then 0.07
(docs/decisions/0014).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from qaconv_reid.evaluation.features import FeatureSet
from qaconv_reid.evaluation.kept_neighbors import KeptNeighbors
from qaconv_reid.evaluation.protocols import Measures
from qaconv_reid.evaluation.rerank_matches import rerank_matches, reranked
from qaconv_reid.evaluation.temporal_lifting import TemporalLifting
from qaconv_reid.models import Progress

__all__ = ["has_times", "refinements"]


def has_times(query: FeatureSet, gallery: FeatureSet) -> bool:
    """Whether both sides have images of which camera and time are known."""
    return all(
        any(c is not None and t is not None for c, t in zip(side.cameras, side.times, strict=True))
        for side in (query, gallery)
    )


def refinements(
    matcher: nn.Module,
    query: FeatureSet,
    gallery: FeatureSet,
    scores: Iterable[Tensor],
    measures: Measures,
    *,
    device: str | torch.device = "cpu",
    block: int = 1024,
    kept: KeptNeighbors | None = None,
    progress: Progress | None = None,
    what: str = "scores",
) -> Iterator[tuple[str, Iterator[Tensor]]]:
    """Refined scores, one way after the other; each is to be used up before the next is asked for.

    Args:
        matcher: on ``device``; symmetric.
        query: maps, cameras and times of the queries.
        gallery: those of the gallery.
        scores: blocks of all queries, float32, on ``device``; iterated over several times.
        measures: which ways are wanted.
        device: where the matcher runs.
        block: maps matched at a time.
        kept: what an earlier process found of re-ranking's neighbors.
        progress: told of the matching for the re-ranking.
        what: the name that ``progress`` is given.

    Yields:
        The name of the way, and blocks ``[b, G]`` from 0 to 1, higher for more alike.
    """
    lift = measures.tlift and has_times(query, gallery)
    if lift:
        mean, deviation = _moments(scores)

        def likenesses() -> Iterator[Tensor]:
            return (torch.sigmoid(2 * (part - mean) / deviation - 4) for part in scores)

        yield "TLift", _lifted(likenesses, query, gallery, device)
    if measures.rerank:
        found = rerank_matches(
            matcher,
            query.maps,
            gallery.maps,
            scores,
            block=block,
            device=device,
            kept=kept,
            progress=progress,
            what=f"{what}: re-ranking",
        )
        yield "re-ranked", reranked(found, scores)
        if lift:
            yield (
                "re-ranked + TLift",
                _lifted(lambda: reranked(found, scores), query, gallery, device),
            )


def _moments(scores: Iterable[Tensor]) -> tuple[float, float]:
    """Mean and standard deviation of all scores; 1 for a deviation of 0."""
    count, total, squares = 0, 0.0, 0.0
    for block in scores:
        wide = block.double()
        count += block.numel()
        total += float(wide.sum())
        squares += float(wide.square().sum())
    mean = total / count
    deviation = math.sqrt(max(squares / count - mean**2, 0.0))
    return mean, deviation or 1.0


def _lifted(
    likenesses: Callable[[], Iterator[Tensor]],
    query: FeatureSet,
    gallery: FeatureSet,
    device: str | torch.device,
) -> Iterator[Tensor]:
    lifting = TemporalLifting(
        query.cameras, gallery.cameras, query.times, gallery.times, device=device
    )
    for block in likenesses():
        lifting.note(block)
    start = 0
    for block in likenesses():
        yield lifting.block(start, block)
        start += len(block)

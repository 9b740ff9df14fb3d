"""Re-ranking of scores that stream from a matcher: the square of all pairs is never held.

The distance of two images is ``1 - sigmoid(score)``. It grows as the score falls, so which images
are nearest is decided by the scores themselves, which do not saturate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from qaconv_reid.evaluation.k_reciprocal import Settings
from qaconv_reid.evaluation.nearest import NearestRows
from qaconv_reid.evaluation.rerank import Reranking
from qaconv_reid.models import Progress, evaluation_mode

__all__ = ["distance_of", "rerank_matches", "reranked"]


def distance_of(scores: Tensor) -> Tensor:
    """``1 - sigmoid(score)``, without the rounding of the difference."""
    return torch.sigmoid(-scores)


def rerank_matches(
    matcher: nn.Module,
    query: Tensor,
    gallery: Tensor,
    across: Iterable[Tensor],
    *,
    settings: Settings | None = None,
    block: int = 1024,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    what: str = "re-ranking",
) -> Reranking:
    """Find every image's neighbours and encode them.

    Beside the scores of queries with gallery, which are given, the queries are matched among
    themselves and the gallery among itself, each pair once: the matcher has to be symmetric.

    Args:
        matcher: ``[P, C, h, w]`` and ``[G, C, h, w]`` to scores ``[P, G]``, on ``device``.
        query: ``[Q, C, h, w]``, anywhere; Q at least 1.
        gallery: ``[G, C, h, w]``, anywhere; G at least 1.
        across: blocks ``[b, G]`` of scores of consecutive queries, float32, on ``device``.
        settings: of the re-ranking; None takes the paper's.
        block: maps matched at a time.
        device: where the matcher runs.
        progress: told after every block of rows.
        what: the name that ``progress`` is given.

    Returns:
        What turns distances (`distance_of`) of queries to the gallery into final ones.
    """
    settings = settings or Settings()
    device = torch.device(device)
    images = len(query) + len(gallery)
    nearest = NearestRows(images, settings.kept(images), dtype=torch.float32, device=device)
    total = len(query) ** 2 // 2 + len(query) * len(gallery) + len(gallery) ** 2 // 2
    done = 0

    def tell(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(what, min(done, total), total)

    # By ascending columns for every row: queries first.
    for pairs in _among(matcher, query, 0, nearest, block, device):
        tell(pairs)
    start = 0
    for scores in across:
        nearest.offer(start, len(query), -scores)
        nearest.offer(len(query), start, -scores.T)
        start += len(scores)
        tell(scores.numel())
    for pairs in _among(matcher, gallery, len(query), nearest, block, device):
        tell(pairs)

    def others(left: Tensor, right: Tensor) -> Tensor:
        return distance_of(_pairs(matcher, query, gallery, left, right, device))

    # The values are negative scores, and so is the distance a growing function of them.
    return Reranking(nearest, len(query), others, settings, distance=torch.sigmoid)


def reranked(found: Reranking, scores: Iterable[Tensor]) -> Iterator[Tensor]:
    """Likenesses ``[b, G]``, 1 minus the final distance, of blocks of scores of all queries."""
    start = 0
    for block in scores:
        yield 1 - found.block(start, distance_of(block))
        start += len(block)


def _among(
    matcher: nn.Module,
    maps: Tensor,
    first: int,
    nearest: NearestRows,
    block: int,
    device: torch.device,
) -> Iterator[int]:
    """Match maps, numbered from ``first``, among themselves; yields how many pairs were."""
    for top in range(0, len(maps), block):
        pairs = 0
        with evaluation_mode(matcher), torch.no_grad():
            rows = maps[top : top + block].to(device)
            for left in range(top, len(maps), block):
                columns = maps[left : left + block].to(device)
                scores = matcher(rows, columns).float()
                nearest.offer(first + top, first + left, -scores)
                if left > top:
                    nearest.offer(first + left, first + top, -scores.T)
                pairs += len(rows) * len(columns)
        yield pairs


def _pairs(
    matcher: nn.Module,
    query: Tensor,
    gallery: Tensor,
    left: Tensor,
    right: Tensor,
    device: torch.device,
) -> Tensor:
    """The scores of some pairs, ``[n]``: those of one left image are matched together."""
    which, counts = torch.unique_consecutive(left.cpu(), return_counts=True)
    ends = counts.cumsum(0).tolist()
    parts = []
    with evaluation_mode(matcher), torch.no_grad():
        for image, start, stop in zip(which.tolist(), [0, *ends], ends, strict=False):
            others = right[start:stop].cpu()
            own = query[image] if image < len(query) else gallery[image - len(query)]
            among = others < len(query)
            candidates = torch.empty((len(others), *own.shape), dtype=own.dtype)
            candidates[among] = query[others[among]].cpu()
            candidates[~among] = gallery[others[~among] - len(query)].cpu()
            parts.append(matcher(own[None].to(device), candidates.to(device))[0].float())
    return torch.cat(parts)

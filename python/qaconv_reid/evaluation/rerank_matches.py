"""Re-ranking of scores that stream from a matcher: the square of all pairs is never held.

The distance of two images is ``1 - sigmoid(score)``. It grows as the score falls, so which images
are nearest is decided by the scores themselves, which do not saturate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from qaconv_reid.evaluation.k_reciprocal import Settings
from qaconv_reid.evaluation.kept_neighbors import KeptNeighbors
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
    kept: KeptNeighbors | None = None,
    progress: Progress | None = None,
    what: str = "re-ranking",
) -> Reranking:
    """Find every image's neighbors and encode them.

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
        kept: what an earlier process found of this, to go on from, and where it is noted.
        progress: told after every block.
        what: the name that ``progress`` is given.

    Returns:
        What turns distances (`distance_of`) of queries to the gallery into final ones.
    """
    settings = settings or Settings()
    device = torch.device(device)
    images = len(query) + len(gallery)
    nearest = NearestRows(images, settings.kept(images), dtype=torch.float32, device=device)
    total = len(query) ** 2 // 2 + len(query) * len(gallery) + len(gallery) ** 2 // 2
    steps = f"{len(query)} queries, {len(gallery)} gallery images, blocks of {block}"
    finished = 0 if kept is None else kept.restore(nearest, steps)
    done = step = 0

    def tell(pairs: int) -> None:
        nonlocal done, step
        done += pairs
        step += 1
        if kept is not None and step > finished:
            kept.note(nearest, steps, step, last=False)
        if progress is not None:
            progress(what, min(done, total), total)

    def among(maps: Tensor, first: int) -> None:
        for rows, columns in _blocks(len(maps), block):
            if step >= finished:
                _match_block(matcher, maps, rows, columns, first, nearest, device)
            tell((rows.stop - rows.start) * (columns.stop - columns.start))

    # By ascending columns for every row: queries first.
    among(query, 0)
    start = 0
    for scores in across:
        if step >= finished:
            nearest.offer(start, len(query), -scores)
            nearest.offer(len(query), start, -scores.T)
        start += len(scores)
        tell(scores.numel())
    among(gallery, len(query))
    if kept is not None and step > finished:
        kept.note(nearest, steps, step, last=True)

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


def _blocks(count: int, block: int) -> Iterator[tuple[slice, slice]]:
    """The upper triangle of a square in blocks, row by row."""
    for top in range(0, count, block):
        for left in range(top, count, block):
            yield slice(top, min(top + block, count)), slice(left, min(left + block, count))


def _match_block(
    matcher: nn.Module,
    maps: Tensor,
    rows: slice,
    columns: slice,
    first: int,
    nearest: NearestRows,
    device: torch.device,
) -> None:
    """Match some maps, numbered from ``first``, with others of the same set."""
    with evaluation_mode(matcher), torch.no_grad():
        scores = matcher(maps[rows].to(device), maps[columns].to(device)).float()
    nearest.offer(first + rows.start, first + columns.start, -scores)
    if rows.start != columns.start:
        nearest.offer(first + columns.start, first + rows.start, -scores.T)


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

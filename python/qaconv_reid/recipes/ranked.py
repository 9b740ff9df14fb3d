"""Ranked lists of a data set, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import FeatureSet, score_blocks
from qaconv_reid.reports import RankedList, ranked_picture

__all__ = ["draw_ranked"]

_QUERIES = 8
_FOUND = 10


def draw_ranked(
    matcher: nn.Module,
    dataset: ReidDataset,
    query: FeatureSet,
    gallery: FeatureSet,
    *,
    device: torch.device,
    name: str,
    folder: Path,
) -> None:
    """Write ``<folder>/<data set's name>.png`` with the lists of a few queries, evenly chosen.

    Gallery images of the query's person by the query's camera are left out, as in the measures.

    Args:
        matcher: on ``device``.
        dataset: whose images are drawn.
        query: those of its queries.
        gallery: those of its gallery.
        device: where the matcher runs.
        name: of the run, for the title.
        folder: where the picture goes.
    """
    chosen = range(0, len(query), max(len(query) // _QUERIES, 1))[:_QUERIES]
    blocks = score_blocks(matcher, query.maps[list(chosen)], gallery.maps, device=device)
    scores = torch.cat(list(blocks)).cpu()
    lists = [
        _list(dataset.query[number], row, dataset.gallery)
        for number, row in zip(chosen, scores, strict=True)
    ]
    title = f"{name} on {dataset.name}: a query, and what was found, the best first"
    ranked_picture(lists, title, folder / f"{dataset.name}.png")


def _list(query: Record, scores: Tensor, gallery: Sequence[Record]) -> RankedList:
    found: list[tuple[Path, bool]] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        record = gallery[index]
        if record == query:
            continue
        same = record.person == query.person
        if same and record.camera is not None and record.camera == query.camera:
            continue
        found.append((record.path, same))
        if len(found) == _FOUND:
            break
    return RankedList(query.path, tuple(found))

"""Ranked lists of a data set, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from qaconv_reid.config import RunConfig
from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import score_blocks
from qaconv_reid.models import Progress
from qaconv_reid.recipes.build import Hardware
from qaconv_reid.recipes.maps import feature_maps
from qaconv_reid.reports import RankedList, ranked_picture

__all__ = ["draw_ranked"]

_QUERIES = 8
_FOUND = 10


def draw_ranked(
    network: nn.Module,
    matcher: nn.Module,
    dataset: ReidDataset,
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
    folder: Path,
) -> Path:
    """Write ``<folder>/<data set's name>.png`` with the lists of a few queries, evenly chosen.

    Gallery images of the query's person by the query's camera are left out, as in the measures.

    Returns:
        The file.
    """
    step = max(len(dataset.query) // _QUERIES, 1)
    queries = dataset.query[::step][:_QUERIES]

    def maps(records: Sequence[Record]) -> Tensor:
        what = f"{dataset.name}: ranked lists"
        return feature_maps(network, records, config, hardware, progress, what)

    blocks = score_blocks(matcher, maps(queries), maps(dataset.gallery), device=hardware.device)
    scores = torch.cat(list(blocks)).cpu()
    lists = [_list(query, row, dataset.gallery) for query, row in zip(queries, scores, strict=True)]
    path = folder / f"{dataset.name}.png"
    title = f"{config.name} on {dataset.name}: a query, and what was found, the best first"
    ranked_picture(lists, title, path)
    return path


def _list(query: Record, scores: Tensor, gallery: Sequence[Record]) -> RankedList:
    found: list[tuple[Path, bool]] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        record = gallery[index]
        same = record.person == query.person
        if same and record.camera is not None and record.camera == query.camera:
            continue
        found.append((record.path, same))
        if len(found) == _FOUND:
            break
    return RankedList(query.path, tuple(found))

"""Evaluating a network and a matcher on a data set, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation.features import FeatureSet, extract
from qaconv_reid.evaluation.ranking import Ranking, count_matches, evaluate_ranking
from qaconv_reid.models import Progress, evaluation_mode

__all__ = ["EvaluationResult", "evaluate", "score_blocks"]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """How well a data set's queries found their persons in its gallery."""

    dataset: str
    ranking: Ranking
    gallery: int
    """Images in the gallery."""
    feature_seconds: float
    """Time for reading the images and mapping them."""
    matching_seconds: float
    """Time for matching every pair and ranking."""
    notes: tuple[str, ...] = field(default=())
    """What a reader of the numbers has to know of how they came about."""

    @property
    def rank1(self) -> float:
        """Share of counted queries whose first is a match, 0 to 1."""
        return self.ranking.rank(1)

    @property
    def rank5(self) -> float:
        """Share of counted queries with a match among the first 5, 0 to 1."""
        return self.ranking.rank(5)

    @property
    def rank10(self) -> float:
        """Share of counted queries with a match among the first 10, 0 to 1."""
        return self.ranking.rank(10)

    @property
    def mAP(self) -> float:
        """Mean average precision, 0 to 1."""
        return self.ranking.mAP

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty, 0 to 1."""
        return self.ranking.mINP

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, for a log."""
        return {
            "dataset": self.dataset,
            "rank1": self.rank1,
            "rank5": self.rank5,
            "rank10": self.rank10,
            "mAP": self.mAP,
            "mINP": self.mINP,
            "queries": self.ranking.queries,
            "queries_counted": self.ranking.counted,
            "gallery": self.gallery,
            "feature_seconds": self.feature_seconds,
            "matching_seconds": self.matching_seconds,
            "notes": list(self.notes),
        }


def evaluate(
    network: nn.Module,
    matcher: nn.Module,
    dataset: ReidDataset,
    height: int,
    width: int,
    *,
    batch: int = 64,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    autocast: torch.dtype | None = None,
    workers: int = 0,
    query_block: int = 256,
    gallery_block: int = 1024,
    on_features: Callable[[FeatureSet, FeatureSet], None] | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Match every query with every gallery image of a data set; measure by the Market protocol.

    Beside the maps of both sides, the biggest thing in memory is the scores of one block of
    queries, ``query_block`` × gallery float32. Modes of network and matcher are restored.

    Args:
        network: ``[B, 3, height, width]`` to ``[B, C, h, w]``, on ``device``.
        matcher: ``[P, C, h, w]`` and ``[G, C, h, w]`` to scores ``[P, G]``, on ``device``.
        dataset: its query and gallery parts are used.
        height: pixels that images are resized to.
        width: pixels that images are resized to.
        batch: images through the network at a time.
        device: where network and matcher run.
        dtype: type the maps are kept and matched in; ``torch.float16`` halves their memory.
        autocast: type to run the network in, None for the weights' own.
        workers: processes that read images; 0 reads them here.
        query_block: queries matched at a time.
        gallery_block: gallery images matched at a time.
        on_features: given those of query and gallery before they are let go.
        progress: told after every step.

    Raises:
        ValueError: a part is empty, no query has a match, a block is not positive, or the matcher
            does not take the network's maps; all before any image is read.
    """
    for name, value in (("query_block", query_block), ("gallery_block", gallery_block)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, wanted at least 1")
    _check_parts(dataset)
    _rehearse(network, matcher, height, width, device, dtype)

    def features(records: Sequence[Record], part: str) -> FeatureSet:
        return extract(
            network,
            records,
            height,
            width,
            batch=batch,
            device=device,
            dtype=dtype,
            autocast=autocast,
            workers=workers,
            progress=progress,
            what=f"{dataset.name}: {part} features",
        )

    started = time.perf_counter()
    query, gallery = features(dataset.query, "query"), features(dataset.gallery, "gallery")
    extracted = time.perf_counter()
    blocks = score_blocks(
        matcher,
        query.maps,
        gallery.maps,
        query_block=query_block,
        gallery_block=gallery_block,
        device=device,
        progress=progress,
        what=f"{dataset.name}: matching",
    )
    ranking = evaluate_ranking(
        blocks, query.persons, query.cameras, gallery.persons, gallery.cameras
    )
    matched = time.perf_counter()
    if on_features is not None:
        on_features(query, gallery)
    return EvaluationResult(
        dataset=dataset.name,
        ranking=ranking,
        gallery=len(gallery),
        feature_seconds=extracted - started,
        matching_seconds=matched - extracted,
        notes=(*dataset.notes, *_protocol_notes(query, gallery, ranking)),
    )


def score_blocks(
    matcher: nn.Module,
    query: Tensor,
    gallery: Tensor,
    *,
    query_block: int = 256,
    gallery_block: int = 1024,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    what: str = "matching",
) -> Iterator[Tensor]:
    """Scores of all pairs, a block of queries at a time, in evaluation mode, without a gradient.

    Args:
        matcher: ``[P, C, h, w]`` and ``[G, C, h, w]`` to scores ``[P, G]``, on ``device``.
        query: ``[Q, C, h, w]``, anywhere.
        gallery: ``[G, C, h, w]``, anywhere.
        query_block: queries at a time.
        gallery_block: gallery maps at a time.
        device: where the matcher runs.
        progress: told after every block of queries.
        what: the name that ``progress`` is given.

    Yields:
        ``[query_block or fewer, G]`` float32 on ``device``; each is a new tensor.
    """
    for start in range(0, len(query), query_block):
        # The mode is set and restored within one step: between two of them the caller has control.
        with evaluation_mode(matcher), torch.no_grad():
            probes = query[start : start + query_block].to(device)
            scores = torch.empty((len(probes), len(gallery)), device=device)
            for left in range(0, len(gallery), gallery_block):
                right = min(left + gallery_block, len(gallery))
                scores[:, left:right] = matcher(probes, gallery[left:right].to(device))
        yield scores
        if progress is not None:
            progress(what, start + len(probes), len(query))


def _check_parts(dataset: ReidDataset) -> None:
    for part, records in (("query", dataset.query), ("gallery", dataset.gallery)):
        if not records:
            raise ValueError(f"{dataset.name}: got an empty {part} part, wanted images in it")
    counts = count_matches(
        [record.person for record in dataset.query],
        [record.camera for record in dataset.query],
        [record.person for record in dataset.gallery],
        [record.camera for record in dataset.gallery],
    )
    if not counts.any():
        raise ValueError(
            f"{dataset.name}: got no query with a match in the gallery (same person, another "
            "camera), wanted at least one"
        )


def _rehearse(
    network: nn.Module,
    matcher: nn.Module,
    height: int,
    width: int,
    device: str | torch.device,
    dtype: torch.dtype,
) -> None:
    """Match one blank image with itself, so that parts that do not fit show at once."""
    with evaluation_mode(network, matcher), torch.no_grad():
        maps = network(torch.zeros(1, 3, height, width, device=device)).to(dtype)
        scores = matcher(maps, maps)
    if tuple(scores.shape) != (1, 1):
        raise ValueError(f"matcher: got scores {list(scores.shape)} for one pair, wanted [1, 1]")


def _protocol_notes(query: FeatureSet, gallery: FeatureSet, ranking: Ranking) -> tuple[str, ...]:
    notes = []
    query_known = [camera is not None for camera in query.cameras]
    gallery_known = [camera is not None for camera in gallery.cameras]
    unknown = (query_known + gallery_known).count(False)
    if not any(query_known) or not any(gallery_known):
        notes.append("no cameras: same-camera rule off")
    elif unknown:
        notes.append(
            f"{unknown} of {len(query) + len(gallery)} images have no camera: same-camera rule off "
            "for them"
        )
    if ranking.uncounted:
        notes.append(f"{ranking.uncounted} of {ranking.queries} queries have no match: not counted")
    return tuple(notes)

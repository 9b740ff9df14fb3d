"""What an evaluation will cost, by rates that are measured on a little of it beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation.features import extract
from qaconv_reid.evaluation.k_reciprocal import Settings
from qaconv_reid.evaluation.protocols import Measures
from qaconv_reid.evaluation.work import SetWork
from qaconv_reid.models import evaluation_mode

__all__ = ["Cost", "Rates"]

#: Images that the rate of reading and mapping is measured on.
_IMAGES = 4
#: What the matcher is measured on: maps on each side, twice as many until it takes so long.
_FEWEST, _MOST = 16, 512
_LONG_ENOUGH = 0.1

#: Bytes of a neighbor in re-ranking's lists: a float32 and an int64.
_NEIGHBOR = 12


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast this machine reads, maps and matches."""

    image_seconds: float
    """For reading and mapping an image, in this process."""
    pair_seconds: float
    """For matching a pair."""
    map_bytes: int
    """Of the map of an image, as it is kept."""

    @classmethod
    def measured(
        cls,
        network: nn.Module,
        matcher: nn.Module,
        records: Sequence[Record],
        height: int,
        width: int,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        autocast: torch.dtype | None = None,
    ) -> Rates:
        """Measured on a few images and their maps, in a fraction of a second on most machines.

        Args:
            network: as for `qaconv_reid.evaluation.evaluate`, and so all that follow.
            matcher: on ``device``.
            records: at least one; the first few are read.
            height: pixels that images are resized to.
            width: pixels that images are resized to.
            device: where network and matcher run.
            dtype: type of the maps.
            autocast: type to run the network in, None for the weights' own.

        Raises:
            ValueError: there are no records.
        """
        few = records[:_IMAGES]
        device = torch.device(device)

        def mapped() -> torch.Tensor:
            return extract(
                network,
                few,
                height,
                width,
                batch=_IMAGES,
                device=device,
                dtype=dtype,
                autocast=autocast,
            ).maps

        maps = mapped()  # the first call of a network also makes its plans
        image_seconds = _seconds(mapped, device) / len(few)
        return cls(
            image_seconds=image_seconds,
            pair_seconds=_pair_seconds(matcher, maps.to(device), device),
            map_bytes=maps[0].numel() * maps.element_size(),
        )


def _pair_seconds(matcher: nn.Module, maps: torch.Tensor, device: torch.device) -> float:
    size = _FEWEST
    with evaluation_mode(matcher), torch.no_grad():
        matcher(maps, maps)
        while True:
            side = maps[torch.arange(size, device=device) % len(maps)]
            seconds = _seconds(partial(matcher, side, side), device)
            if seconds >= _LONG_ENOUGH or size >= _MOST:
                return seconds / size**2
            size *= 2


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Cost:
    """What the evaluation of a data set takes; ranking and temporal lifting are not counted."""

    dataset: str
    queries: int
    gallery: int
    pairs: int
    """That are left to be matched, for re-ranking too."""
    feature_seconds: float
    matching_seconds: float
    maps: int
    """Bytes of all maps."""
    scores: int
    """Bytes of the scores of all queries with the gallery, where they are kept; else of a block."""
    neighbors: int
    """Bytes of the lists of nearest images that re-ranking keeps."""

    @classmethod
    def of(
        cls,
        dataset: ReidDataset,
        rates: Rates,
        measures: Measures,
        *,
        processes: int = 1,
        query_block: int = 256,
        work: SetWork | None = None,
    ) -> Cost:
        """Reckoned from the sizes of a data set.

        Args:
            dataset: its query and gallery parts count.
            rates: of this machine.
            measures: whether scores are kept and neighbors found.
            processes: that divide the maps, and the pairs of queries with the gallery.
            query_block: queries matched at a time.
            work: what an earlier process finished: it is not done again.
        """
        queries, gallery = len(dataset.query), len(dataset.gallery)
        images = queries + gallery
        among = (queries**2 + gallery**2) // 2 if measures.rerank else 0
        maps_left, across = images, queries * gallery
        if work is not None:
            maps_left -= work.done("query") + work.done("gallery")
            across -= work.done("scores") * gallery
        kept = queries if work or measures.rerank or measures.tlift else min(queries, query_block)
        return cls(
            dataset=dataset.name,
            queries=queries,
            gallery=gallery,
            pairs=across + among,
            feature_seconds=maps_left * rates.image_seconds / processes,
            matching_seconds=(across / processes + among) * rates.pair_seconds,
            maps=images * rates.map_bytes,
            scores=4 * kept * gallery,
            neighbors=(images * Settings().kept(images) * _NEIGHBOR if measures.rerank else 0),
        )

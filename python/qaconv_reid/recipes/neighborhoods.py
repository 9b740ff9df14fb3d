"""Whom the matcher takes for alike: the graph that a graph sampler would draw from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from qaconv_ext.graph import class_distances, nearest_classes
from qaconv_reid.build import Hardware, extraction
from qaconv_reid.config import RunConfig
from qaconv_reid.data import Record, open_rgb
from qaconv_reid.evaluation import extract
from qaconv_reid.models import Progress
from qaconv_reid.people import Kin
from qaconv_reid.recipes.datasets import load_training_images
from qaconv_reid.reports.html import Album
from qaconv_reid.restore import Restored

__all__ = ["neighborhoods"]

#: Classes that are looked at: more of them are taken evenly.
_CLASSES = 1000
_SHOWN, _NEIGHBORS = 6, 6


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """Classes, an image of each, and the nearest others of each."""

    records: Sequence[Record]
    nearest: Tensor
    """``[classes, k]`` int64."""
    distances: Tensor
    """``[classes, classes]`` float32: minus the scores."""
    families: Sequence[tuple[Path, int] | None]
    """Of virtual people those who look alike; None where it is not known, or there are none."""


def neighborhoods(
    config: RunConfig,
    hardware: Hardware,
    models: Restored,
    *,
    album: Album,
    tile: tuple[int, int],
    progress: Progress,
) -> dict[str, Any]:
    """The classes of the training set that have the nearest neighbors, and these.

    By one image of each class, as `qaconv_reid.training.GraphRefresh` does; here it is the first.

    Args:
        config: of the run.
        hardware: where its models are.
        models: its network and matcher.
        album: for the pictures.
        tile: their width and height in pixels.
        progress: told of images.

    Raises:
        ConfigError, DataError: the training set is not there, or is another.
    """
    graph, classes = _graph(config, hardware, models, progress)
    shown = []
    for number in _chosen(graph):
        members = [number, *graph.nearest[number].tolist()]
        for member in members:
            album.add(f"graph/{member}", open_rgb(graph.records[member].path).resize(tile))
        whole = graph.families[number]
        shown.append(
            {
                "class": _member(graph, number),
                "family_known": whole is not None,
                "neighbors": [
                    {
                        **_member(graph, other),
                        "score": -float(graph.distances[number, other]),
                        "family": whole is not None and graph.families[other] == whole,
                    }
                    for other in members[1:]
                ],
            }
        )
    return {
        "classes": classes,
        "looked_at": len(graph.records),
        "neighbors": graph.nearest.shape[1],
        "families": _families(graph),
        "shown": shown,
    }


def _graph(
    config: RunConfig, hardware: Hardware, models: Restored, progress: Progress
) -> tuple[_Graph, int]:
    images, _ = load_training_images(config)
    first: dict[int, Record] = {}
    for record, label in zip(images.records, images.labels, strict=True):
        first.setdefault(label, record)
    every = [first[label] for label in sorted(first)]
    chosen = np.linspace(0, len(every) - 1, min(len(every), _CLASSES)).astype(np.int64)
    records = [every[place] for place in chosen]
    maps = extract(
        models.network,
        records,
        **extraction(config, hardware),
        progress=progress,
        what="graph: features",
    ).maps
    distances = class_distances(maps.to(hardware.device), models.matcher).cpu()
    nearest = nearest_classes(distances, min(_NEIGHBORS, len(records) - 1))
    kin = Kin()
    families = [kin.family(record.path, record.person) for record in records]
    return _Graph(records, nearest, distances, families), len(every)


def _chosen(graph: _Graph) -> list[int]:
    """The classes with the nearest neighbors; of two that are nearest to each other one."""
    if not graph.nearest.shape[1]:
        return []
    closest = graph.distances.gather(1, graph.nearest[:, :1])[:, 0]
    chosen: list[int] = []
    for number in closest.argsort(stable=True).tolist():
        first = int(graph.nearest[number, 0])
        if first not in chosen and len(chosen) < _SHOWN:
            chosen.append(number)
    return chosen


def _member(graph: _Graph, number: int) -> dict[str, Any]:
    record = graph.records[number]
    return {
        "picture": f"graph/{number}",
        "name": record.path.name,
        "person": record.person,
        "camera": record.camera,
    }


def _families(graph: _Graph) -> dict[str, Any] | None:
    """How many of the neighbors are look-alikes; None where nobody is known to have any."""
    kin = {
        number: {
            other
            for other, family in enumerate(graph.families)
            if family == own and other != number
        }
        for number, own in enumerate(graph.families)
        if own is not None
    }
    kin = {number: others for number, others in kin.items() if others}
    if not kin:
        return None
    others = len(graph.records) - 1
    nearest = {number: graph.nearest[number].tolist() for number in kin}
    count = graph.nearest.shape[1]
    return {
        "classes": len(kin),
        # Of its own family: the first neighbor, and of all that could be among the neighbors.
        "first": float(np.mean([nearest[n][0] in own for n, own in kin.items()])),
        "found": float(
            np.mean([len(own & set(nearest[n])) / min(len(own), count) for n, own in kin.items()])
        ),
        "first_by_chance": float(np.mean([len(own) / others for own in kin.values()])),
    }

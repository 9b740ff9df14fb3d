"""``qaconv report``: one page that tells all of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from qaconv_ext.benchmark.provenance import provenance
from qaconv_ext.correspondence import correspondences, ordinary_maximum
from qaconv_ext.qaconv import QAConv
from qaconv_reid.build import Hardware, extraction, find_hardware
from qaconv_reid.calibration import Calibration
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import DataError, ReidDataset, open_rgb
from qaconv_reid.evaluation import FeatureSet, Reliability, extract
from qaconv_reid.files import replaced
from qaconv_reid.matcher import Matcher
from qaconv_reid.models import dense
from qaconv_reid.recipes.datasets import load_test_sets, named_apart
from qaconv_reid.recipes.neighborhoods import neighborhoods
from qaconv_reid.recipes.outputs import check_target
from qaconv_reid.recipes.probability import chance_of
from qaconv_reid.recipes.ranked import Searched, search
from qaconv_reid.recipes.runs import RunFolder, anchored
from qaconv_reid.reports import (
    Found,
    MatchPicture,
    ProgressBars,
    RankedList,
    Sighting,
    correspondence_panel,
    say,
    settings_records,
)
from qaconv_reid.reports.html import Album, render_page
from qaconv_reid.restore import Restored, restore_run

__all__ = ["report"]

#: Characters that all pictures of a page may take: the page stays below 5 MB.
_ROOM = 4_200_000
_TILE = (76, 152)
_PANEL = 240
_WORST, _BEST = 5, 2
#: The worst queries whose matches are taken apart.
_WORST_PAIRS = 2
_LINES = 16
_CONFUSIONS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Searching:
    """What every test set is searched with."""

    config: RunConfig
    hardware: Hardware
    models: Restored
    calibration: Calibration | None
    album: Album
    progress: ProgressBars


def report(
    config: RunConfig,
    *,
    console: Console,
    out: Path | None = None,
    json_file: Path | None = None,
    images: bool = True,
    before: Path | None = None,
) -> dict[str, Any]:
    """Write the page of a run.

    Args:
        config: of the run; ``data.test`` are the data sets that are searched for the page.
        console: told where the page lies.
        out: the file; None for ``report.html`` in the folder of the run.
        json_file: every number of the page goes there too.
        images: False reads no image: no ranked lists, no correspondences, no CMC, no graph.
        before: what ``qaconv evaluate --json`` wrote of another state, to stand beside the results.

    Returns:
        What ``json_file`` gets.

    Raises:
        ConfigError, CheckpointError: there is no run, or its checkpoint does not fit.
    """
    config = anchored(config)
    folder = RunFolder(config.directory)
    folder.check_same(config)
    out = out or folder.path / "report.html"
    for option, file in (("--out", out), ("--json", json_file)):
        if file is not None and not os.path.isdir(file.absolute().parent):
            raise ConfigError(f"{option}: got {file}, wanted a file in a folder that is there")
        if file is not None:
            check_target(option, file)
    earlier = None if before is None else _earlier(before)
    epochs = folder.epochs()
    album = Album(_ROOM)
    data: dict[str, Any] = {
        "run": _run(config, epochs),
        "evaluation": folder.evaluations(),
        "epochs": epochs,
        "before": None if earlier is None else _beside(folder.evaluations(), earlier),
        "searches": [],
        "not_searched": [],
        "calibration": None,
        "graph": None,
        "no_graph": None,
        "settings": _settings(config),
        "provenance": _provenance(config),
    }
    if images:
        datasets, data["not_searched"] = _test_sets(config)
        if folder.has_checkpoint():
            _look(config, folder, datasets, album, data)
    page = render_page(data, album)
    _write(out, page)
    if json_file is not None:
        _write(json_file, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    told = f"report in {out} ({len(page.encode()) / 1e6:.1f} MB)"
    say(console, told)
    return data


def _look(
    config: RunConfig,
    folder: RunFolder,
    datasets: Sequence[ReidDataset],
    album: Album,
    data: dict[str, Any],
) -> None:
    """Add to ``data`` what takes the models of the run."""
    hardware = find_hardware(config.runtime)
    models = restore_run(folder.path, config, hardware.device)
    calibration = Matcher(models, config, hardware, folder=folder.path).calibration
    if calibration is not None:
        data["calibration"] = {"same": calibration.same, "different": calibration.different}
    with ProgressBars() as progress:
        searching = _Searching(config, hardware, models, calibration, album, progress)
        data["searches"] = [
            _search(searching, dataset, number) for number, dataset in enumerate(datasets, start=1)
        ]
        try:
            data["graph"] = neighborhoods(
                config, hardware, models, album=album, tile=_TILE, progress=progress
            )
        except (ConfigError, DataError) as error:
            data["no_graph"] = f"Without the neighbors of classes: {error}"


def _earlier(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for entry in document["results"]:
            _key(entry), *map(float, (entry["rank1"], entry["mAP"]))
        return document
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"--before: got {path}, wanted a file that qaconv evaluate --json wrote ({error})"
        ) from None


def _beside(now: Iterable[dict[str, Any]], earlier: dict[str, Any]) -> dict[str, Any]:
    """Both results of every data set that was measured alike."""
    former = {_key(entry): entry for entry in earlier["results"]}
    names = ("rank1", "rank1_interval", "mAP", "mAP_interval")
    rows = [
        {
            "dataset": entry["dataset"],
            **{
                when: {name: result.get(name) for name in names}
                for when, result in (("before", former[_key(entry)]), ("after", entry))
            },
        }
        for entry in now
        if _key(entry) in former
    ]
    epochs = earlier.get("epochs")
    return {"what": "untrained" if epochs is None else f"after {epochs} epochs", "rows": rows}


def _key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[key] for key in ("dataset", "protocol", "every_crop", "variant", "area"))


def _run(config: RunConfig, epochs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": config.name,
        "backbone": f"{config.model.backbone} to {config.model.stage}",
        "sampler": config.sampler.kind,
        "loss": config.loss.kind,
        "epochs": epochs[-1]["epoch"] if epochs else 0,
        "seconds": sum(float(record["seconds"]) for record in epochs),
    }


def _settings(config: RunConfig) -> list[dict[str, Any]]:
    records = settings_records(config)
    return [{**record, "changed": record["value"] != record["default"]} for record in records]


def _provenance(config: RunConfig) -> dict[str, Any]:
    """Flat, as a table shows it; of the page, which may be made later than the run."""
    facts = provenance(f"qaconv report {config.name}", "cpu")
    return {**{key: facts[key] for key in facts if key != "machine"}, **facts["machine"]}


def _test_sets(config: RunConfig) -> tuple[list[ReidDataset], list[str]]:
    """Those that can be read, and why the others cannot."""
    datasets, missing = [], []
    for spec in config.data.test:
        try:
            datasets += load_test_sets([spec], settings=config.data)
        except DataError as error:
            missing.append(f"Without ranked lists: {error}")
    return named_apart(datasets), missing


def _search(searching: _Searching, dataset: ReidDataset, number: int) -> dict[str, Any]:
    """The numbers of one test set; its pictures go to the album."""
    hardware, matcher = searching.hardware, searching.models.matcher
    query, gallery = (
        extract(
            searching.models.network,
            records,
            **extraction(searching.config, hardware),
            progress=searching.progress,
            what=f"{dataset.name}: {part} features",
        )
        for part, records in (("query", dataset.query), ("gallery", dataset.gallery))
    )
    chance = chance_of(searching.models, searching.config, hardware, trained=True)
    reliability = None if searching.calibration is None else Reliability()

    def watch(scores: NDArray[np.float32], same: NDArray[np.bool_]) -> None:
        if searching.calibration is not None and reliability is not None:
            reliability.add(searching.calibration.probability(scores), same)

    found = search(
        matcher, dataset, query, gallery, device=hardware.device, chance=chance, watch=watch
    )
    naming = _Naming(dataset, number)
    # Pairs first: where there is no room for all pictures, they tell more.
    # The cosine of two vectors cannot be taken apart.
    telling = _chosen_pairs(found) if isinstance(matcher, QAConv) else []
    pairs = [_pair(searching, naming, (query, gallery), pair) for pair in telling]
    lists = []
    for chosen in found.queries(_WORST, _BEST):
        ranked = found.ranked(chosen)
        shown = [*ranked.found, *([ranked.first] if ranked.first else [])]
        for sighting in (ranked.query, *(item.image for item in shown)):
            name = naming.in_album(naming(sighting))
            searching.album.add(name, open_rgb(sighting.path).resize(_TILE))
        lists.append(_list(ranked, naming))
    confusions = found.confusions()
    ranking = found.ranking
    return {
        "dataset": dataset.name,
        "queries": ranking.counted,
        "gallery": len(gallery),
        "mAP": ranking.mAP,
        "cmc": ranking.cmc.tolist(),
        "has_probability": chance(0.0) is not None,
        "reliability": None if reliability is None else _reliability(reliability),
        "pairs": pairs,
        "lists": lists,
        "identities": len(confusions),
        "confusions": [
            {
                "person": row.person,
                "queries": row.queries,
                "right": row.right,
                "taken_for": [{"person": p, "times": n} for p, n in row.taken_for[:5]],
            }
            for row in confusions[:_CONFUSIONS]
        ],
    }


def _reliability(found: Reliability) -> dict[str, Any]:
    same, different = found.pairs
    bins = [asdict(row) for row in found.bins()]
    return {"same": same, "different": different, "error": found.error, "bins": bins}


class _Naming:
    """A short name of an image that says nothing of the folders above its data set."""

    def __init__(self, dataset: ReidDataset, number: int) -> None:
        self._root = dataset.root if dataset.root.is_dir() else dataset.root.parent
        self._number = number

    def __call__(self, image: Sighting) -> str:
        path = image.path
        inside = path.relative_to(self._root) if path.is_relative_to(self._root) else path.name
        return str(inside)

    def in_album(self, name: str) -> str:
        """Two data sets may have files of one name."""
        return f"{self._number}/{name}"


def _list(ranked: RankedList, naming: _Naming) -> dict[str, Any]:
    return {
        "query": _image(ranked.query, naming),
        "found": [_found(found, naming) for found in ranked.found],
        "first": None if ranked.first is None else _found(ranked.first, naming),
        "first_words": ranked.first_words,
        "average_precision": ranked.average_precision,
    }


def _image(image: Sighting, naming: _Naming) -> dict[str, Any]:
    facts = {"person": image.person, "camera": image.camera, "time": image.time}
    return {"name": naming(image), **facts}


def _found(found: Found, naming: _Naming) -> dict[str, Any]:
    facts = {"rank": found.rank, "right": found.right, "score": found.score}
    return {"image": _image(found.image, naming), **facts, "probability": found.probability}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A query and an image of the gallery, by their numbers, and why they are shown."""

    what: str
    query: int
    query_image: Sighting
    found: Found
    gallery: int


def _chosen_pairs(found: Searched) -> list[_Pair]:
    """What came first for the worst queries, their first match, and the best query's."""
    pairs = []
    for place, number in enumerate(found.queries(_WORST_PAIRS, 1)):
        ranked, (best, first) = found.ranked(number), found.numbers(number)
        whose = "The best query" if place == _WORST_PAIRS else f"Worst query {place + 1}"
        verdict = "the right one" if ranked.found[0].right else "another person"
        what = f"{whose} and rank 1, {verdict}"
        pairs.append(_Pair(what, number, ranked.query, ranked.found[0], best))
        if ranked.first is not None and first is not None and first != best:
            what = f"{whose} and its first match, rank {ranked.first.rank}"
            pairs.append(_Pair(what, number, ranked.query, ranked.first, first))
    return pairs


def _pair(
    searching: _Searching, naming: _Naming, features: tuple[FeatureSet, FeatureSet], pair: _Pair
) -> dict[str, Any]:
    """A pair's score, taken apart; its picture goes to the album."""
    matcher = dense(searching.models.matcher, "correspondences")
    device = searching.hardware.device
    query, gallery = features
    maps = query.maps[pair.query].to(device), gallery.maps[pair.gallery].to(device)
    found = correspondences(matcher, *maps, base=ordinary_maximum(matcher))
    names = naming(pair.query_image), naming(pair.found.image)
    images = open_rgb(pair.query_image.path), open_rgb(pair.found.image.path)
    picture = correspondence_panel(
        MatchPicture(images, names, found, pair.what), top=_LINES, height=_PANEL
    )
    name = naming.in_album(" ".join(names))
    searching.album.add(name, picture)
    return {
        "what": pair.what,
        "picture": name,
        "probe": names[0],
        "gallery": names[1],
        "score": found.score,
        "probability": pair.found.probability,
        "probe_part": float(found.probe_heat.sum()),
        "gallery_part": float(found.gallery_heat.sum()),
        "bias": found.bias,
        "matches": len(found.matches),
        "against": sum(match.contribution < 0 for match in found.matches),
    }


def _write(path: Path, text: str) -> None:
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

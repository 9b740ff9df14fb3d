"""``qaconv data measure``: how hard a data set is, within its domains and across them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from qaconv_ext.benchmark.provenance import provenance
from qaconv_ext.qaconv import QAConv
from qaconv_reid import data
from qaconv_reid.build import Hardware, extraction, find_hardware, seed_everything
from qaconv_reid.config import ConfigError, RunConfig, load
from qaconv_reid.data import DataError, Record, ReidDataset
from qaconv_reid.evaluation import evaluate_ranking, extract, score_blocks, stripe_histograms
from qaconv_reid.files import replaced
from qaconv_reid.models import FeatureMapNetwork, Progress, build_network
from qaconv_reid.reports import ProgressBars
from qaconv_reid.restore import Restored, restore_run

__all__ = ["Figure", "measure"]

#: Added to the cameras of each further domain: they are others than the first one's.
_CAMERAS = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """One method on the queries of one domain and the gallery of one."""

    method: str
    query: str
    gallery: str
    rank1: float
    """0 to 1."""
    mAP: float
    """0 to 1."""
    queries: int


class _HistogramMatcher(nn.Module):
    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        return -torch.cdist(probe, gallery, p=1)


class _Cosine(nn.Module):
    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        return probe @ gallery.T


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """The features of a domain's two sides, by one method."""

    query: Tensor
    gallery: Tensor


def measure(
    folder: str,
    config: RunConfig,
    *,
    said: Sequence[str] = (),
    runs: Sequence[str],
    file: str | None,
    console: Console,
) -> list[Figure]:
    """Measure every method within and across the domains of a data set.

    A domain is a data set below ``folder`` that can be searched. Across domains, the queries of one
    search the gallery of another, so the persons of both have to bear the same numbers.

    Args:
        folder: of the domains, or a single data set.
        config: which backbone, weights and picture size the untrained methods take.
        said: the words on the command line that ``config`` was made from, for the file.
        runs: folders of training runs, each a further method.
        file: where the figures are written as JSON, None for nowhere.
        console: for the table.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or a run cannot be used.
    """
    if file is not None and not Path(file).absolute().parent.is_dir():
        raise ConfigError(f"--json: got {file}, wanted a file in a folder that is there")
    domains = _domains(Path(folder))
    plain = _plain_network(config)
    trained = [_trained(Path(run)) for run in runs]
    # The commit is that of the beginning, whatever becomes of the checkout meanwhile.
    origin = _origin(folder, config, said, runs)
    figures: list[Figure] = []
    with ProgressBars() as progress:
        features = {n: _histograms(d) for n, d in domains.items()}
        figures += _all_pairs("colour histogram", features, _HistogramMatcher(), domains, progress)
        figures += _untrained(plain, config, domains, progress)
        for models, own in trained:
            maps = _maps(models.network, domains, own, find_hardware(own.runtime), progress)
            figures += _all_pairs(f"run {own.name}", maps, models.matcher, domains, progress)
    console.print(_table(figures))
    if file is not None:
        settings = [_settings(own) for _, own in trained]
        _write(Path(file), {**origin, "runs": settings}, figures)
    return figures


def _domains(folder: Path) -> dict[str, ReidDataset]:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder, wanted one of data sets")
    try:
        data.recognise(folder)
        places = [folder]
    except DataError:
        places = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {}
    for place in places:
        try:
            dataset = data.load(place)
        except DataError:
            continue
        if dataset.query and dataset.gallery:
            found[place.name] = dataset
    if not found:
        raise DataError(f"{folder}: got no data set with a query and a gallery, wanted one or more")
    return found


def _trained(run: Path) -> tuple[Restored, RunConfig]:
    """The models of a run, on the run's device, and its settings."""
    config = load(run)
    return restore_run(run, config, find_hardware(config.runtime).device), config


def _histograms(dataset: ReidDataset) -> _Features:
    return _Features(stripe_histograms(dataset.query), stripe_histograms(dataset.gallery))


def _plain_network(config: RunConfig) -> FeatureMapNetwork:
    """The network as it is before training, without a neck."""
    seed_everything(config.runtime.seed)
    model = config.model
    try:
        network = build_network(
            model.backbone, stage=model.stage, neck_features=0, weights=model.weights
        )
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(f"model.{error}") from None
    return network.to(find_hardware(config.runtime).device)


def _untrained(
    network: FeatureMapNetwork,
    config: RunConfig,
    domains: dict[str, ReidDataset],
    progress: Progress,
) -> list[Figure]:
    """The pooled embedding and the plain matcher on the same maps."""
    hardware, model = find_hardware(config.runtime), config.model
    matcher = QAConv(network.num_features, *network.map_size(model.height, model.width))
    maps = _maps(network, domains, config, hardware, progress)
    pooled = {
        name: _Features(_pooled(both.query), _pooled(both.gallery)) for name, both in maps.items()
    }
    weights = "random weights" if model.weights is None else "pretrained"
    return [
        *_all_pairs(f"pooled embedding, {weights}", pooled, _Cosine(), domains, progress),
        *_all_pairs(
            f"untrained QAConv, {weights}", maps, matcher.to(hardware.device), domains, progress
        ),
    ]


def _maps(
    network: nn.Module,
    domains: dict[str, ReidDataset],
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
) -> dict[str, _Features]:
    how = extraction(config, hardware)

    def maps(records: Sequence[Record], what: str) -> Tensor:
        return extract(network, records, **how, progress=progress, what=what).maps

    return {
        name: _Features(
            maps(dataset.query, f"{name}: query features"),
            maps(dataset.gallery, f"{name}: gallery features"),
        )
        for name, dataset in domains.items()
    }


def _pooled(maps: Tensor) -> Tensor:
    return nn.functional.normalize(maps.float().mean(dim=(2, 3)), dim=1)


def _all_pairs(
    method: str,
    features: dict[str, _Features],
    matcher: nn.Module,
    domains: dict[str, ReidDataset],
    progress: Progress,
) -> list[Figure]:
    names = list(domains)
    device = next(matcher.parameters(), torch.empty(0)).device
    figures = []
    for i, query in enumerate(names):
        for j, gallery in enumerate(names):
            probes, candidates = domains[query].query, domains[gallery].gallery
            if i != j and not {r.person for r in probes} & {r.person for r in candidates}:
                continue
            ranking = evaluate_ranking(
                score_blocks(
                    matcher, features[query].query, features[gallery].gallery, device=device
                ),
                [record.person for record in probes],
                _cameras(probes, i),
                [record.person for record in candidates],
                _cameras(candidates, j),
            )
            figures.append(
                Figure(method, query, gallery, ranking.rank(1), ranking.mAP, ranking.counted)
            )
            progress(method, len(figures), len(names) ** 2)
    return figures


def _cameras(records: Sequence[Record], domain: int) -> list[int | None]:
    return [None if r.camera is None else r.camera + _CAMERAS * domain for r in records]


def _mean(figures: Sequence[Figure]) -> tuple[str, str]:
    if not figures:
        return "–", "–"
    count = len(figures)
    rank1, mAP = sum(f.rank1 for f in figures) / count, sum(f.mAP for f in figures) / count
    return f"{100 * rank1:.1f}", f"{100 * mAP:.1f}"


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(title="Rank-1 and mAP (%), means over domains and over pairs of domains")
    table.add_column("Method")
    for head in ("within: Rank-1", "mAP", "across: Rank-1", "mAP"):
        table.add_column(head, justify="right")
    for method in dict.fromkeys(figure.method for figure in figures):
        own = [figure for figure in figures if figure.method == method]
        within = _mean([f for f in own if f.query == f.gallery])
        across = _mean([f for f in own if f.query != f.gallery])
        table.add_row(method, *within, *across)
    return table


def _origin(
    folder: str, config: RunConfig, said: Sequence[str], runs: Sequence[str]
) -> dict[str, Any]:
    """Where the figures come from."""
    manifest = Path(folder) / "manifest.json"
    made = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else None
    # Names for paths: where things lay is nobody's concern.
    words = ["qaconv data measure", Path(folder).name]
    words += [Path(word).name if os.path.exists(word) else word for word in said]
    words += [f"--run {Path(run).name}" for run in runs]
    return {
        **provenance(" ".join(words), find_hardware(config.runtime).device.type),
        "data": made or Path(folder).name,
        "model": config.model.model_dump(mode="json"),
    }


def _write(path: Path, origin: dict[str, Any], figures: Sequence[Figure]) -> None:
    content = {
        **origin,
        "figures": [
            {name: getattr(figure, name) for name in Figure.__dataclass_fields__}
            for figure in figures
        ],
    }
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _settings(config: RunConfig) -> dict[str, Any]:
    """What a run was trained on, and how."""
    return {
        "name": config.name,
        "train": [Path(place).name for place in config.data.train],
        **config.model_dump(mode="json", include={"sampler", "loss", "schedule", "optimiser"}),
        "seed": config.runtime.seed,
    }

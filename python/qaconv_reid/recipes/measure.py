"""``qaconv data measure``: how hard a data set is, within its domains and across them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console
from torch import Tensor

from qaconv_ext.qaconv import QAConv
from qaconv_reid import data
from qaconv_reid.build import extraction, find_hardware, seed_everything
from qaconv_reid.config import ConfigError, DataConfig, RunConfig, load
from qaconv_reid.data import DataError, Inspection, Record, ReidDataset, Views, variant_name
from qaconv_reid.evaluation import (
    BASELINES,
    Baseline,
    DomainRanking,
    FeatureSet,
    Images,
    domain_rankings,
    extract,
    features_of_parts,
)
from qaconv_reid.models import FeatureMapNetwork, PairMatcher, Progress, build_network
from qaconv_reid.packed import is_folder
from qaconv_reid.recipes.datasets import load_checked
from qaconv_reid.recipes.figures import Figure, figures_table, origin, write_figures
from qaconv_reid.recipes.outputs import check_target
from qaconv_reid.reports import ProgressBars, say
from qaconv_reid.restore import restore_run

__all__ = ["measure"]

_Domains = Mapping[str, ReidDataset]
#: Of the queries and of the gallery of each domain.
_Sides = Mapping[str, tuple[Tensor, Tensor]]
#: A ranking and the name of its method.
_Found = tuple[str, DomainRanking]


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A network and a matcher on their device, with how tables call them."""

    name: str
    source: str
    """Of the maps: what the baselines on them are called after."""
    network: FeatureMapNetwork
    matcher: PairMatcher
    config: RunConfig


def measure(
    folder: str,
    config: RunConfig,
    *,
    views: Views | None = None,
    said: Sequence[str] = (),
    runs: Sequence[str],
    file: str | None,
    console: Console,
) -> list[Figure]:
    """Measure every method within and across the domains of a data set.

    A domain is a data set below ``folder`` that can be searched. Across domains, the queries of one
    search the gallery of another, so the identities of both have to bear the same numbers.

    Args:
        folder: of the domains, or a single data set.
        config: which backbone, weights and image size the untrained methods take.
        views: of the images of each domain.
        said: the words on the command line that ``config`` was made from, for the file.
        runs: folders of training runs, each a further method.
        file: where the figures are written as JSON, None for nowhere.
        console: for the table.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or a run cannot be used.
    """
    if file is not None:
        check_target("--json", Path(file))
    views = views or Views()
    with ProgressBars() as progress:
        domains = _domains(Path(folder), config.data, Inspection(progress=progress))
    models = [_untrained(config), *(_trained(Path(run)) for run in runs)]
    # The commit is that of the beginning, whatever becomes of the checkout meanwhile.
    about = origin(folder, config, views, said, runs)
    figures: list[Figure] = []
    with ProgressBars() as progress:
        for variant in views.variants:
            seen = {name: views.seen(dataset, variant) for name, dataset in domains.items()}
            parts = [_of_images(seen, progress), *(_of_maps(m, seen, progress) for m in models)]
            figures += [Figure(variant_name(variant), *found) for found in chain(*parts)]
    console.print(figures_table(figures))
    if config.model.weights is None:
        say(console, "random weights: model.weights is not set; --run RUN measures a trained run")
    if file is not None:
        write_figures(Path(file), about, [model.config for model in models[1:]], figures)
    return figures


def _domains(folder: Path, settings: DataConfig, inspection: Inspection) -> dict[str, ReidDataset]:
    folder = data.located(folder)
    if data.is_archive(folder):
        raise DataError(f"{folder}: this is an archive, wanted data sets: unpack it")
    if not is_folder(folder):
        raise DataError(f"{folder}: there is no such folder, wanted one of data sets")
    try:
        data.recognize(folder)
        places = [folder]
    except DataError:
        places = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {}
    for place in places:
        try:
            dataset = data.load(place, pattern=settings.pattern)
        except DataError:
            continue
        if dataset.query and dataset.gallery:
            found[place.name] = load_checked(str(place), settings, inspection, test=True)
    if not found:
        raise DataError(f"{folder}: got no data set with a query and a gallery, wanted one or more")
    return found


def _untrained(config: RunConfig) -> _Model:
    """The plain matcher on the network as it is before training, without a neck."""
    seed_everything(config.runtime.seed)
    model, device = config.model, find_hardware(config.runtime).device
    try:
        network = build_network(
            model.backbone,
            stage=model.stage,
            neck_features=0,
            weights=model.weights,
            part_of_weights=model.part_of_weights,
        )
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(f"model.{error}") from None
    matcher = QAConv(network.num_features, *network.map_size(model.height, model.width))
    source = "random weights" if model.weights is None else "pretrained"
    name = f"untrained QAConv, {source}"
    return _Model(name, source, network.to(device), matcher.to(device), config)


def _trained(run: Path) -> _Model:
    """Network and matcher of a run, on the run's device."""
    config = load(run)
    models = restore_run(run, config, find_hardware(config.runtime).device)
    name = f"run {config.name}"
    return _Model(name, name, models.network, models.matcher, config)


def _of_images(domains: _Domains, progress: Progress) -> Iterator[_Found]:
    """The baselines that need no network."""
    for baseline in BASELINES:
        if not baseline.of_maps:
            yield from _baseline(baseline, baseline.name, domains, None, progress)


def _of_maps(model: _Model, domains: _Domains, progress: Progress) -> Iterator[_Found]:
    """The baselines on a network's maps, and its matcher."""
    hardware, size = find_hardware(model.config.runtime), model.config.model
    how = extraction(model.config, hardware)

    def features(records: Sequence[Record], what: str) -> FeatureSet:
        return extract(model.network, records, **how, progress=progress, what=what)

    maps = {}
    for name, dataset in domains.items():
        query, gallery = features_of_parts(dataset, features, name)
        maps[name] = query.maps, gallery.maps
    rows, _ = model.network.map_size(size.height, size.width)
    for baseline in BASELINES:
        if baseline.of_maps and baseline.tells_apart(rows):
            name = f"{baseline.name}, {model.source}"
            yield from _baseline(baseline, name, domains, maps, progress)
    for found in domain_rankings(
        model.matcher,
        maps,
        domains,
        device=hardware.device,
        progress=progress,
        what=model.name,
    ):
        yield model.name, found


def _baseline(
    baseline: Baseline,
    name: str,
    domains: _Domains,
    maps: _Sides | None,
    progress: Progress,
) -> Iterator[_Found]:
    vectors = {
        domain: (
            baseline.vectors(Images(dataset.query, None if maps is None else maps[domain][0])),
            baseline.vectors(Images(dataset.gallery, None if maps is None else maps[domain][1])),
        )
        for domain, dataset in domains.items()
    }
    for found in domain_rankings(baseline, vectors, domains, progress=progress, what=name):
        yield name, found

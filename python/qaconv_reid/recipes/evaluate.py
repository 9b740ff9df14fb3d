"""``qaconv evaluate``: how well a run, a foreign one or none at all finds persons again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from rich.console import Console

from qaconv_ext.qaconv import QAConv
from qaconv_reid import evaluation
from qaconv_reid.build import (
    Hardware,
    extraction,
    find_hardware,
    seed_everything,
)
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import ReidDataset, Views
from qaconv_reid.evaluation import Area, EvaluationResult, FeatureSet, Measures, Protocol
from qaconv_reid.files import check_replaceable
from qaconv_reid.models import FeatureMapNetwork, Progress
from qaconv_reid.ranks import Ranks, joined
from qaconv_reid.recipes.datasets import load_test_sets
from qaconv_reid.recipes.outcome import write_json, write_queries
from qaconv_reid.recipes.probability import probability
from qaconv_reid.recipes.ranked import Searched, draw_ranked, search
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.reports import ProgressBars, confusions_table, results_table, weights_table
from qaconv_reid.restore import Foreign, restore

__all__ = ["evaluate", "evaluate_sets", "parse_measures", "show"]


def evaluate(
    config: RunConfig,
    *,
    console: Console,
    untrained: bool = False,
    foreign: Foreign | None = None,
    measures: Measures | None = None,
    ranked: Path | None = None,
    json_file: Path | None = None,
    csv_file: Path | None = None,
) -> list[EvaluationResult]:
    """Evaluate on every test set of the settings.

    Under torchrun all processes call this and divide the work; the first one writes and speaks.

    Args:
        config: of the run.
        console: for the table.
        untrained: take the network and the matcher as they are before training, from
            ``model.weights``, and keep nothing; else those of the run's checkpoint.
        foreign: take those of another program's checkpoint, and keep nothing; ``config`` is its.
        measures: the protocol, and what is measured beside the plain scores.
        ranked: a folder for pictures of ranked lists, one for each test set.
        json_file: for the measures.
        csv_file: for what became of every query.

    Returns:
        One result per test set.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or the checkpoint cannot
            be used.
    """
    hardware = find_hardware(config.runtime)
    measures = measures or Measures()
    for option, file in (("--json", json_file), ("--csv", csv_file)):
        if file is not None:
            _check_target(option, file)
    folder = RunFolder(config.directory)
    kept = foreign is None and not untrained
    if kept:
        folder.check_same(config)
    if not config.data.test:
        raise ConfigError("data.test: got no data set, wanted one, as --data PATH")
    test_sets = load_test_sets(config.data.test, measures)
    if ranked is not None:
        try:
            ranked.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--ranked: got {ranked}, wanted a folder that can be written to: {error.strerror}"
            ) from None
    seed_everything(config.runtime.seed)
    models = restore(config, hardware.device, untrained=untrained, foreign=foreign)
    searched: list[Searched] = []

    def draw(dataset: ReidDataset, query: FeatureSet, gallery: FeatureSet) -> None:
        chance = partial(probability, config=config, trained=kept)
        found = search(
            models.matcher, dataset, query, gallery, device=hardware.device, chance=chance
        )
        if ranked is not None:
            draw_ranked(found, config.name, ranked)
        searched.append(found)

    with joined(hardware.device) as ranks, ProgressBars(quiet=not ranks.first) as progress:
        if models.report is not None and ranks.first:
            console.print(weights_table(models.report))
        results = evaluate_sets(
            models.network,
            models.matcher,
            test_sets,
            config,
            hardware,
            progress,
            measures=measures,
            draw=draw if ranked is not None and ranks.first else None,
            ranks=ranks,
        )
    if not ranks.first:
        return results
    how = "untrained matcher" if untrained else f"after {models.epochs} epochs"
    show(results, f"{config.name}: {how}", console)
    if kept:
        folder.write_evaluation(results, models.epochs)
    if json_file is not None:
        write_json(json_file, results, config, epochs=None if untrained else models.epochs)
    if csv_file is not None:
        write_queries(csv_file, results, test_sets)
    for found in searched:
        title = f"{found.dataset.name}: mistaken identities"
        console.print(confusions_table(found.confusions(), title=title))
    for what, place in (("ranked lists", ranked), ("measures", json_file), ("queries", csv_file)):
        if place is not None:
            console.print(f"{what} in {place}", markup=False, highlight=False, soft_wrap=True)
    return results


def evaluate_sets(
    network: FeatureMapNetwork,
    matcher: QAConv,
    datasets: Sequence[ReidDataset],
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
    *,
    measures: Measures | None = None,
    draw: Callable[[ReidDataset, FeatureSet, FeatureSet], None] | None = None,
    ranks: Ranks | None = None,
) -> list[EvaluationResult]:
    """Evaluate on data sets that are loaded; ``draw`` is given each with its features.

    The processes of a distributed run all call this, divide the work and get all results.
    """
    return [
        evaluation.evaluate(
            network,
            matcher,
            dataset,
            **extraction(config, hardware),
            measures=measures,
            on_features=None if draw is None else partial(draw, dataset),
            ranks=ranks,
            progress=progress,
        )
        for dataset in datasets
    ]


def parse_measures(
    protocol: str, area: str, *, rerank: bool, tlift: bool, views: Views | None = None
) -> Measures:
    """What the words of the command line ask for.

    Raises:
        ConfigError: there is no such protocol or area, or they do not go together.
    """
    try:
        return Measures(cast(Protocol, protocol), cast(Area, area), rerank, tlift, views or Views())
    except ValueError as error:
        raise ConfigError(f"--{error}") from None


def show(results: Sequence[EvaluationResult], title: str, console: Console) -> None:
    """Print the table of results, in per cent."""
    console.print(results_table(results, title=f"{title} (%)"))


def _check_target(option: str, file: Path) -> None:
    try:
        check_replaceable(file)
    except OSError as error:
        raise ConfigError(
            f"{option}: got {file}, wanted a file that can be written: {error.strerror}"
        ) from None

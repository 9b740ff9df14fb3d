"""``qaconv evaluate``: how well a run, a foreign one or none at all finds people again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

from rich.console import Console

from qaconv_reid import evaluation
from qaconv_reid.build import (
    Hardware,
    extraction,
    find_hardware,
    map_type,
    seed_everything,
)
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import Inspection, ReidDataset, Views
from qaconv_reid.evaluation import (
    Area,
    Cost,
    EvaluationResult,
    FeatureSet,
    Measures,
    Protocol,
    Rates,
    Work,
)
from qaconv_reid.models import FeatureMapNetwork, PairMatcher, Progress
from qaconv_reid.ranks import Ranks, joined
from qaconv_reid.recipes.datasets import load_test_sets, training_records
from qaconv_reid.recipes.outcome import write_json
from qaconv_reid.recipes.outputs import Late, Outputs
from qaconv_reid.recipes.probability import chance_of
from qaconv_reid.recipes.query_file import write_queries
from qaconv_reid.recipes.ranked import Searched, draw_ranked, search
from qaconv_reid.recipes.runs import RunFolder, anchored
from qaconv_reid.recipes.scoring import scoring
from qaconv_reid.reports import (
    ProgressBars,
    confusions_table,
    cost_line,
    results_table,
    say,
    weights_table,
)
from qaconv_reid.restore import Foreign, Restored, restore

__all__ = ["evaluate", "evaluate_sets", "parse_measures", "show"]


def evaluate(
    config: RunConfig,
    *,
    console: Console,
    untrained: bool = False,
    foreign: Foreign | None = None,
    measures: Measures | None = None,
    outputs: Outputs | None = None,
    fresh: bool = False,
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
        outputs: the files and folders that are written.
        fresh: do not go on with what an interrupted evaluation left, but begin anew.

    Returns:
        One result per test set.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or the checkpoint cannot
            be used.
    """
    config = anchored(config)
    hardware = find_hardware(config.runtime)
    measures = measures or Measures(area=config.evaluation.average_precision)
    outputs = outputs or Outputs()
    outputs.check()
    if config.evaluation.shortlist < 1 and (measures.rerank or measures.tlift):
        raise ConfigError(
            f"evaluation.shortlist: got {config.evaluation.shortlist:g} with "
            f"--{'rerank' if measures.rerank else 'tlift'}, wanted 1: it needs the scores of all"
        )
    folder = RunFolder(config.directory)
    kept = foreign is None and not untrained
    if kept:
        folder.check_same(config)
        folder.check_results()
    if not config.data.test:
        raise ConfigError("data.test: got no data set, wanted one, as --data PATH")
    with ProgressBars() as progress:
        test_sets = load_test_sets(
            config.data.test,
            measures,
            settings=config.data,
            trained=training_records(config.data) if kept else (),
            inspection=Inspection(progress=progress),
        )
    outputs.make_folders()
    seed_everything(config.runtime.seed)
    models = restore(config, hardware.device, untrained=untrained, foreign=foreign)
    searched: list[Searched] = []
    late = Late()

    def take(dataset: ReidDataset, query: FeatureSet, gallery: FeatureSet) -> None:
        if outputs.ranked is not None:
            chance = chance_of(models, config, hardware, trained=kept)
            found = search(
                models.matcher, dataset, query, gallery, device=hardware.device, chance=chance
            )
            with late.of("--ranked", outputs.ranked):
                draw_ranked(found, config.name, outputs.ranked)
            searched.append(found)
        with late.of("--features", outputs.features):
            outputs.write_features(dataset, query, gallery)

    with joined(hardware.device) as ranks, ProgressBars(quiet=not ranks.first) as progress:
        if models.report is not None and ranks.first:
            console.print(weights_table(models.report))
        work = None
        if kept and ranks.size == 1:
            work = _work(folder, models, config, hardware, fresh=fresh)
        if ranks.first:
            foreseen = _foreseen(models, test_sets, config, hardware, measures, work, ranks.size)
            for line in foreseen:
                progress.print(line)
        results = evaluate_sets(
            models.network,
            models.matcher,
            test_sets,
            config,
            hardware,
            progress,
            measures=measures,
            on_features=take if ranks.first else None,
            work=work,
            ranks=ranks,
        )
    if not ranks.first:
        return results
    how = "untrained matcher" if untrained else f"after {models.epochs} epochs"
    # What was computed is shown before anything is written: a disk may be full by now.
    show(results, f"{config.name}: {how}", console)
    for found in searched:
        title = f"{found.dataset.name}: mistaken identities"
        console.print(confusions_table(found.confusions(), title=title))
    if kept:
        with late.of(None, folder.path):
            folder.write_results(results, test_sets, models.epochs)
    with late.of("--json", outputs.json):
        if outputs.json is not None:
            write_json(outputs.json, results, config, epochs=None if untrained else models.epochs)
    with late.of("--csv", outputs.csv):
        if outputs.csv is not None:
            write_queries(outputs.csv, results, test_sets)
    late.check()
    for what, place in outputs.places():
        say(console, f"{what} in {place}")
    if work is not None:
        work.finish()
    return results


def evaluate_sets(
    network: FeatureMapNetwork,
    matcher: PairMatcher,
    datasets: Sequence[ReidDataset],
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
    *,
    measures: Measures | None = None,
    on_features: Callable[[ReidDataset, FeatureSet, FeatureSet], None] | None = None,
    work: Work | None = None,
    ranks: Ranks | None = None,
) -> list[EvaluationResult]:
    """Evaluate on data sets that are loaded, and give each one's features to ``on_features``.

    What is finished is kept in ``work``, of which the caller says when it has served its turn.
    The processes of a distributed run all call this, divide the work and get all results.
    """
    matched = scoring(matcher, config, hardware)
    return [
        evaluation.evaluate(
            network,
            matched.matcher,
            dataset,
            **extraction(config, hardware),
            measures=measures or Measures(area=config.evaluation.average_precision),
            shortlist=config.evaluation.shortlist,
            on_features=None if on_features is None else partial(on_features, dataset),
            work=None if work is None else work.of(dataset),
            ranks=ranks,
            progress=progress,
        ).with_note(matched.note)
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


def _foreseen(
    models: Restored,
    datasets: Sequence[ReidDataset],
    config: RunConfig,
    hardware: Hardware,
    measures: Measures,
    work: Work | None,
    processes: int,
) -> Iterator[str]:
    """What each data set will take, a line each."""
    rates = Rates.measured(
        models.network,
        scoring(models.matcher, config, hardware).matcher,
        datasets[0].gallery,
        config.model.height,
        config.model.width,
        device=hardware.device,
        dtype=map_type(config, hardware),
        autocast=hardware.autocast,
    )
    for dataset in datasets:
        finished = None if work is None else work.of(dataset)
        yield cost_line(Cost.of(dataset, rates, measures, processes=processes, work=finished))


def _work(
    folder: RunFolder, models: Restored, config: RunConfig, hardware: Hardware, *, fresh: bool
) -> Work:
    """What earlier evaluations of these weights finished."""
    work = Work(
        folder.evaluation_work,
        (models.network, models.matcher),
        height=config.model.height,
        width=config.model.width,
        device=hardware.device.type,
        autocast=hardware.autocast,
        dtype=map_type(config, hardware),
        precision=scoring(models.matcher, config, hardware).precision,
        shortlist=config.evaluation.shortlist,
    )
    if fresh:
        work.forget()
    return work

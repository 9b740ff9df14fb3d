"""``qaconv evaluate``: how well a run, a foreign one or none at all finds persons again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from qaconv_ext.qaconv import QAConv
from qaconv_reid import evaluation
from qaconv_reid.build import (
    Hardware,
    build_models,
    extraction,
    find_hardware,
    seed_everything,
)
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import ReidDataset
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.models import FeatureMapNetwork, Progress
from qaconv_reid.recipes.datasets import load_test_sets
from qaconv_reid.recipes.ranked import draw_ranked
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.reports import ProgressBars, results_table, weights_table
from qaconv_reid.restore import Foreign, Restored, restore_foreign, restore_run
from qaconv_reid.training import Ranks

__all__ = ["evaluate", "evaluate_sets", "show"]


def evaluate(
    config: RunConfig,
    *,
    console: Console,
    untrained: bool = False,
    foreign: Foreign | None = None,
    ranked: Path | None = None,
) -> list[EvaluationResult]:
    """Evaluate on every test set of the settings.

    Args:
        config: of the run.
        console: for the table.
        untrained: take the network and the matcher as they are before training, from
            ``model.weights``, and keep nothing; else those of the run's checkpoint.
        foreign: take those of another program's checkpoint, and keep nothing; ``config`` is its.
        ranked: a folder for pictures of ranked lists, one for each test set.

    Returns:
        One result per test set.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or the checkpoint cannot
            be used.
    """
    folder = RunFolder(config.directory)
    kept = foreign is None and not untrained
    if kept:
        folder.check_same(config)
    if not config.data.test:
        raise ConfigError("data.test: got no data set, wanted one, as --data PATH")
    test_sets = load_test_sets(config.data.test)
    if ranked is not None:
        try:
            ranked.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--ranked: got {ranked}, wanted a folder that can be written to: {error.strerror}"
            ) from None
    hardware = find_hardware(config.runtime)
    seed_everything(config.runtime.seed)
    if foreign is not None:
        models = restore_foreign(foreign, hardware.device)
    elif untrained:
        network, matcher = build_models(config, hardware.device)
        models = Restored(network, matcher, 0, network.pretrained)
    else:
        models = restore_run(folder.path, config, hardware.device)
    if models.report is not None:
        console.print(weights_table(models.report))
    with ProgressBars() as progress:
        results = evaluate_sets(
            models.network, models.matcher, test_sets, config, hardware, progress, ranked=ranked
        )
    if kept:
        folder.write_evaluation(results, models.epochs)
    how = "untrained matcher" if untrained else f"after {models.epochs} epochs"
    show(results, f"{config.name}: {how}", console)
    if ranked is not None:
        console.print(f"ranked lists in {ranked}", markup=False, highlight=False, soft_wrap=True)
    return results


def evaluate_sets(
    network: FeatureMapNetwork,
    matcher: QAConv,
    datasets: Sequence[ReidDataset],
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
    *,
    ranked: Path | None = None,
    ranks: Ranks | None = None,
) -> list[EvaluationResult]:
    """Evaluate on data sets that are loaded; draw ranked lists into the folder ``ranked``.

    The processes of a distributed run all call this, divide the work and get all results.
    """
    drawing = None
    if ranked is not None:
        drawing = partial(
            draw_ranked, matcher, device=hardware.device, name=config.name, folder=ranked
        )
    return [
        evaluation.evaluate(
            network,
            matcher,
            dataset,
            **extraction(config, hardware),
            on_features=None if drawing is None else partial(drawing, dataset),
            progress=progress,
        )
        for dataset in datasets
    ]


def show(results: Sequence[EvaluationResult], title: str, console: Console) -> None:
    """Print the table of results, in per cent."""
    console.print(results_table(results, title=f"{title} (%)"))

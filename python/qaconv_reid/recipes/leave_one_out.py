"""``qaconv train --leave-one-out``: each data set searched by a run on all the others."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.recipes.datasets import load_test_sets
from qaconv_reid.recipes.evaluate import show
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.recipes.train import train

__all__ = ["leave_one_out"]


def leave_one_out(config: RunConfig, *, resume: bool, console: Console) -> list[EvaluationResult]:
    """Of several data sets train on all but one, and search in that one, for each in turn.

    Args:
        config: of all runs; ``data.train`` are the sets, each with a training and a test part.
            The runs are ``name-without-SET``.
        resume: go on with runs that are there; without it none may be.
        console: for the results.

    Returns:
        One result per data set, in their order.

    Raises:
        ConfigError: there are fewer than two sets, or two of one name; and as `train`.
    """
    specs = config.data.train
    names = [Path(spec.rpartition(":")[2]).name for spec in specs]
    if len(specs) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"data.train: got {', '.join(names) or 'no data set'}, wanted two or more of different "
            "names, to leave each out in turn"
        )
    runs = []
    for number, (spec, name) in enumerate(zip(specs, names, strict=True)):
        data = config.data.model_copy(
            update={"train": specs[:number] + specs[number + 1 :], "test": (spec,)}
        )
        update = {"name": f"{config.name}-without-{name}", "data": data}
        runs.append(config.model_copy(update=update))
    # What can be refused is refused before the first of them is begun.
    for run in runs:
        if not resume:
            RunFolder(run.directory).check_new()
    load_test_sets(specs, settings=config.data)
    results = []
    for run in runs:
        there = resume and RunFolder(run.directory).config_file.is_file()
        results += train(run, resume=there, console=console)
    show(results, f"{config.name}: each trained on all the others", console)
    return results

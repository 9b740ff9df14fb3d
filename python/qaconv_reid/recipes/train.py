"""``qaconv train``: from settings to a trained and evaluated run."""

from __future__ import annotations

from rich.console import Console

from qaconv_reid.build import Hardware, build_models, find_hardware, seed_everything
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import DataError, ImageDataset, Inspection, open_source
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.models import FeatureMapNetwork, PairMatcher, about_weights, find_weights
from qaconv_reid.ranks import Ranks, joined
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images
from qaconv_reid.recipes.evaluate import evaluate_sets, show
from qaconv_reid.recipes.fit import Fit
from qaconv_reid.recipes.runs import RunFolder, anchored
from qaconv_reid.recipes.trials import best_start
from qaconv_reid.reports import ProgressBars, say
from qaconv_reid.restore import restore_run
from qaconv_reid.training import (
    SAVED_RUN,
    CollapsedError,
    Trainer,
    check_divisible,
    checkpoint,
)

__all__ = ["train"]

#: From one random start to the next: far enough apart for runs of neighboring seeds.
_START = 1_000_003


def train(config: RunConfig, *, resume: bool, console: Console) -> list[EvaluationResult]:
    """Train, then evaluate on every test set.

    The run's folder is made when all that can be refused has been; it then always holds what is
    needed to go on. Under torchrun all processes call this; the first one writes and speaks.

    Args:
        config: of the run.
        resume: go on with the run of that name.
        console: for the results; progress goes to standard error.

    Returns:
        One result per test set.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or the checkpoint cannot
            be used; nothing has been written.
        CollapsedError: nothing was learnt any more; the folder holds the run as it was before.
        Interrupted: SIGINT or SIGTERM came while training.
    """
    config = anchored(config)
    hardware = find_hardware(config.runtime)
    folder = RunFolder(config.directory)
    with joined(hardware.device) as ranks:
        if not ranks.first:
            return _train(config, folder, resume, Console(quiet=True), hardware, ranks)
        with folder.owned("qaconv train", lambda text: say(console, text)):
            if not resume:
                folder.check_new()
            try:
                return _train(config, folder, resume, console, hardware, ranks)
            except (ConfigError, DataError, CollapsedError):
                if not resume:
                    folder.discard()
                raise


def _train(
    config: RunConfig,
    folder: RunFolder,
    resume: bool,
    console: Console,
    hardware: Hardware,
    ranks: Ranks,
) -> list[EvaluationResult]:
    saved = None
    if resume:
        folder.check_same(config)
        folder.epochs()
        if folder.has_checkpoint():
            saved = checkpoint.load(folder.checkpoint, SAVED_RUN)
    if ranks.first:
        folder.check_results()
    check_divisible(config, ranks)
    with ProgressBars(quiet=not ranks.first) as progress:
        inspection = Inspection(progress=progress)
        images, validation = load_training_images(
            config, inspection=inspection, notice=progress.print
        )
        test_sets = load_test_sets(
            config.data.test, settings=config.data, trained=images.records, inspection=inspection
        )

    def models(start: int) -> tuple[FeatureMapNetwork, PairMatcher]:
        seed_everything(config.runtime.seed + _START * start)
        return build_models(config, hardware.device, pretrained=saved is None)

    # Before images are read, so that a wrong setting is told at once.
    first = models(0)

    with ProgressBars(quiet=not ranks.first) as progress:
        dataset = ImageDataset(
            images.records,
            config.model.height,
            config.model.width,
            labels=images.labels if config.data.broken == "skip" else None,
        )
        source = open_source(
            dataset,
            config.data.cache,
            device=hardware.device,
            workers=config.runtime.workers,
            folder=config.data.cache_folder,
            progress=progress,
            notice=progress.print,
        )

        def build(network: FeatureMapNetwork, matcher: PairMatcher) -> Trainer:
            return Trainer(
                network,
                matcher,
                images,
                source,
                config,
                device=hardware.device,
                autocast=hardware.autocast,
                ranks=ranks,
                progress=progress,
                notice=progress.print,
            )

        if config.start.trials and saved is None:
            if ranks.first:
                folder.write_config(config)
            start = best_start(
                config.start.trials,
                config.start.images,
                lambda number: build(*models(number)),
                folder.trials,
                writes=ranks.first,
                say=progress.print,
            )
            first = models(start)
        trainer = build(*first)
        fit = Fit(config, folder, trainer, hardware, ranks, progress, validation, test_sets)
        if saved is not None:
            fit.restore(saved)
        if ranks.first:
            folder.write_config(config)
            folder.forget_metrics_after(trainer.epoch)
        _announce(config, trainer, images.classes, len(images.records), console)
        fit.run()
        network, matcher = trainer.evaluated()
        if config.evaluation.weights == "best":
            ranks.wait()  # for the first process to have written them
            restored = restore_run(folder.path, config, hardware.device)
            network, matcher = restored.network, restored.matcher
        results = evaluate_sets(
            network, matcher, test_sets, config, hardware, progress, ranks=ranks
        )

    if results and ranks.first:
        # The table first: what follows may find the disk full.
        show(results, f"{config.name}: after {trainer.epoch} epochs", console)
        folder.write_results(results, test_sets, trainer.epoch)
    say(console, f"run kept in {folder.path}")
    return results


def _announce(
    config: RunConfig, trainer: Trainer, identities: int, images: int, console: Console
) -> None:
    ranks = f", {trainer.ranks.size} processes" if trainer.ranks.size > 1 else ""
    console.print(
        f"{config.name}: {images:,} images of {identities:,} identities, "
        f"{trainer.epoch_batches:,} batches an epoch, {config.model.backbone} on "
        f"{trainer.device}{ranks}",
        markup=False,
    )
    say(console, trainer.source.about)
    if trainer.epoch or trainer.position:
        console.print(
            f"resumed after {trainer.epoch} epochs and {trainer.position} batches", markup=False
        )
    elif config.model.weights is None:
        console.print("model.weights is not set: the backbone starts from random numbers")
    else:
        about = about_weights(find_weights(config.model.weights, config.model.backbone))
        say(console, f"weights: {about or config.model.weights}")
        console.print(str(trainer.network.pretrained), markup=False, highlight=False)

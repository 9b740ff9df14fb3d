"""``qaconv train``: from settings to a trained and evaluated run."""

from __future__ import annotations

from rich.console import Console

from qaconv_reid.config import RunConfig
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.models import about_weights, find_weights
from qaconv_reid.recipes.build import build_models, find_hardware, seed_everything
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images
from qaconv_reid.recipes.evaluate import evaluate_sets, show
from qaconv_reid.recipes.interrupt import stop_when_interrupted
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.reports import ProgressBars, RunLog
from qaconv_reid.training import CheckpointError, EpochReport, Trainer, checkpoint

__all__ = ["Interrupted", "train"]


class Interrupted(Exception):
    """The run was stopped from outside and can be resumed; the text says how."""


def train(config: RunConfig, *, resume: bool, console: Console) -> list[EvaluationResult]:
    """Train, then evaluate on every test set.

    The run's folder is made when all that can be refused has been; it then always holds what is
    needed to go on.

    Args:
        config: of the run.
        resume: go on with the run of that name.
        console: for the results; progress goes to standard error.

    Returns:
        One result per test set.

    Raises:
        ConfigError, DataError, CheckpointError: the settings, a data set or the checkpoint cannot
            be used; nothing has been written.
        Interrupted: SIGINT or SIGTERM came while training.
    """
    folder = RunFolder(config.directory)
    if resume:
        folder.check_same(config)
    else:
        folder.check_new()
    images = load_training_images(config)
    test_sets = load_test_sets(config.data.test)
    hardware = find_hardware(config.runtime)
    seed_everything(config.runtime.seed)
    saved = checkpoint.load(folder.checkpoint) if resume and folder.has_checkpoint() else None
    network, matcher = build_models(config, hardware.device, pretrained=saved is None)

    with ProgressBars() as progress:
        trainer = Trainer(
            network,
            matcher,
            images,
            config,
            device=hardware.device,
            autocast=hardware.autocast,
            progress=progress,
        )
        if saved is not None:
            _restore(trainer, saved, folder)
        folder.write_config(config)
        folder.forget_metrics_after(trainer.epoch)
        _announce(config, trainer, images.classes, len(images.records), hardware.device, console)
        _fit(trainer, folder, config, progress.console)
        results = evaluate_sets(network, matcher, test_sets, config, hardware, progress)

    if results:
        folder.write_evaluation(results, trainer.epoch)
        show(results, f"{config.name}: after {trainer.epoch} epochs", console)
    console.print(f"run kept in {folder.path}", markup=False)
    return results


def _fit(trainer: Trainer, folder: RunFolder, config: RunConfig, notices: Console) -> None:
    def keep() -> None:
        state = trainer.state_dict() | {"config": config.model_dump(mode="json")}
        checkpoint.save(folder.checkpoint, state)

    with stop_when_interrupted(notices.print) as stop, RunLog(folder.metrics) as log:
        for report in trainer.epochs(stop):
            # The log first: a record too many is dropped on resuming, one too few is lost.
            log.append(report.as_dict())
            keep()
            notices.print(_line(report), markup=False)
        if stop():
            keep()
            raise Interrupted(
                f"stopped in epoch {trainer.epoch + 1}; go on by: "
                f"qaconv train {folder.path} --resume"
            )


def _restore(trainer: Trainer, saved: dict[str, object], folder: RunFolder) -> None:
    try:
        trainer.load_state_dict(saved)
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder.checkpoint}: does not fit these data sets and settings: {error}"
        ) from error


def _announce(
    config: RunConfig,
    trainer: Trainer,
    persons: int,
    images: int,
    device: object,
    console: Console,
) -> None:
    console.print(
        f"{config.name}: {images:,} images of {persons:,} persons, "
        f"{len(trainer.sampler):,} batches an epoch, {config.model.backbone} on {device}",
        markup=False,
    )
    if trainer.epoch or trainer.position:
        console.print(
            f"resumed after {trainer.epoch} epochs and {trainer.position} batches", markup=False
        )
    elif config.model.weights is None:
        console.print("model.weights is not set: the backbone starts from random numbers")
    else:
        about = about_weights(find_weights(config.model.weights, config.model.backbone))
        console.print(f"weights: {about or config.model.weights}", markup=False)


def _line(report: EpochReport) -> str:
    text = (
        f"epoch {report.epoch}: loss {report.loss:.3f}, accuracy {100 * report.accuracy:.1f} %, "
        f"learning rate {report.learning_rate:.2g}, {report.seconds:.1f} s"
    )
    if report.skipped_steps:
        text += f", {report.skipped_steps} of {report.steps} steps skipped (no finite gradient)"
    if report.dropped_rows:
        text += f", {report.dropped_rows} rows dropped (not finite)"
    return text

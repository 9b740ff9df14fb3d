"""``qaconv train``: from settings to a trained and evaluated run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from qaconv_reid.build import Hardware, build_models, find_hardware, seed_everything
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import DataError, ImageDataset, Inspection, ReidDataset, open_source
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.files import why
from qaconv_reid.models import FeatureMapNetwork, PairMatcher, about_weights, find_weights
from qaconv_reid.ranks import Ranks, joined
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images
from qaconv_reid.recipes.evaluate import evaluate_sets, show
from qaconv_reid.recipes.interrupt import stop_when_interrupted
from qaconv_reid.recipes.runs import RunFolder, anchored
from qaconv_reid.recipes.trials import best_start
from qaconv_reid.reports import Metrics, ProgressBars, say
from qaconv_reid.restore import restore_run
from qaconv_reid.training import (
    SAVED_RUN,
    CheckpointError,
    CollapsedError,
    EpochReport,
    Trainer,
    check_divisible,
    checkpoint,
)

__all__ = ["Interrupted", "leave_one_out", "train"]

#: From one random start to the next: far enough apart for runs of neighboring seeds.
_START = 1_000_003

#: Batches after which the processes of a distributed run ask whether one is to stop.
_ASKED_EVERY = 10


class Interrupted(Exception):
    """The run was stopped from outside and can be resumed; the text says how."""


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
        run = _Run(config, folder, trainer, hardware, ranks, progress, validation, test_sets)
        if saved is not None:
            run.restore(saved)
        if ranks.first:
            folder.write_config(config)
            folder.forget_metrics_after(trainer.epoch)
        _announce(config, trainer, images.classes, len(images.records), console)
        run.fit()
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


class _Run:
    """A trainer, what is kept of it, and the evaluations on the way."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        trainer: Trainer,
        hardware: Hardware,
        ranks: Ranks,
        progress: ProgressBars,
        validation: ReidDataset | None,
        test_sets: Sequence[ReidDataset],
    ) -> None:
        self.config = config
        self.folder = folder
        self.trainer = trainer
        self.hardware = hardware
        self.ranks = ranks
        self.progress = progress
        self.validation = validation
        self.test_sets = test_sets
        #: Best mAP on the validation part, and evaluations since.
        self.best = -1.0
        self.since_best = 0
        self._kept_at = time.monotonic()

    def fit(self) -> None:
        """Train to the end.

        Raises:
            CollapsedError, DataError, Interrupted: it ended before.
        """
        trainer = self.trainer
        stopped = False
        with (
            stop_when_interrupted(self.progress.print) as interrupted,
            self._metrics() as metrics,
        ):

            def stop() -> bool:
                nonlocal stopped
                # Processes have to ask each other, which is not worth doing at every batch.
                if self.ranks.size == 1 or trainer.position % _ASKED_EVERY == 0:
                    stopped = self.ranks.agree(interrupted())
                return stopped

            for report in self._epochs(stop):
                trainer.check_learnt(report)
                record = report.as_dict() | self._validate() | self._look_at_tests()
                if trainer.trouble:
                    record["trouble"] = trainer.trouble
                # The log first: a record too many is dropped on resuming, one too few is lost.
                if metrics is not None:
                    with self._writing(self.folder.metrics):
                        metrics.append(record)
                self.keep()
                self.progress.print(_line(report) + _validation_line(record))
                if 0 < self.config.schedule.patience <= self.since_best:
                    self.progress.print(
                        f"no better mAP on the validation part in {self.since_best} evaluations: "
                        "the run ends (schedule.patience)"
                    )
                    break
            if stopped:
                self.keep()
                raise Interrupted(
                    f"stopped in epoch {trainer.epoch + 1}; go on by: "
                    f"qaconv train {self.folder.path} --resume"
                )

    def _epochs(self, stop: Callable[[], bool]) -> Iterator[EpochReport]:
        """Those of the trainer; what an image that cannot be read interrupts is kept."""
        try:
            yield from self.trainer.epochs(stop, self._keep_by_the_clock)
        except DataError as error:
            self.keep()
            raise DataError(
                f"{error}; stopped in epoch {self.trainer.epoch + 1}, when it can be read go on "
                f"by: qaconv train {self.folder.path} --resume (without it: data.broken=skip)"
            ) from None

    def _metrics(self) -> AbstractContextManager[Metrics | None]:
        if not self.ranks.first:
            return nullcontext()
        return Metrics(self.folder.path, tensorboard=self.config.runtime.tensorboard)

    def keep(self) -> None:
        """Write the checkpoint.

        Raises:
            CollapsedError: the weights are none any more; the former checkpoint stays.
            OSError: it cannot be written; the former one stays.
        """
        self.trainer.check_finite()
        if self.ranks.first:
            with self._writing(self.folder.checkpoint):
                checkpoint.save(self.folder.checkpoint, self._state())
        self._kept_at = time.monotonic()

    @contextmanager
    def _writing(self, place: Path) -> Iterator[None]:
        """Says how to go on where a disk is full."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{place}: cannot be written ({why(error)}); what was kept before is whole: when "
                f"there is room go on by: qaconv train {self.folder.path} --resume"
            ) from None

    def _keep_by_the_clock(self) -> None:
        if time.monotonic() - self._kept_at >= 60 * self.config.runtime.checkpoint_minutes:
            self.keep()

    def _state(self) -> dict[str, Any]:
        return self.trainer.state_dict() | {
            "config": self.config.model_dump(mode="json"),
            "best": self.best,
            "since_best": self.since_best,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: it is of other data sets or settings.
        """
        try:
            self.trainer.load_state_dict(saved)
            self.best, self.since_best = saved["best"], saved["since_best"]
        except (ValueError, CollapsedError) as error:
            raise CheckpointError(
                f"{self.folder.checkpoint}: does not fit these data sets and settings: {error}"
            ) from error

    def _validate(self) -> dict[str, object]:
        """Evaluate on the identities that were held back, where it is time; keep the best."""
        every = self.config.evaluation.every
        if self.validation is None or not every or self.trainer.epoch % every:
            return {}
        (result,) = self._evaluate([self.validation])
        self.since_best += 1
        if result.mAP > self.best:
            self.best, self.since_best = result.mAP, 0
            if self.ranks.first:
                network, matcher = self.trainer.evaluated()
                weights = {"network": network.state_dict(), "matcher": matcher.state_dict()}
                with self._writing(self.folder.best):
                    checkpoint.save(self.folder.best, weights | {"epoch": self.trainer.epoch})
        return {"validation_rank1": result.rank1, "validation_mAP": result.mAP}

    def _evaluate(self, datasets: Sequence[ReidDataset]) -> list[EvaluationResult]:
        network, matcher = self.trainer.evaluated()
        return evaluate_sets(
            network,
            matcher,
            datasets,
            self.config,
            self.hardware,
            self.progress,
            ranks=self.ranks,
        )

    def _look_at_tests(self) -> dict[str, object]:
        """Points of the curves that ``evaluation.test_every`` asks for."""
        every = self.config.evaluation.test_every
        if not every or self.trainer.epoch % every:
            return {}
        return {
            f"{result.dataset}_{name}": value
            for result in self._evaluate(self.test_sets)
            for name, value in (("rank1", result.rank1), ("mAP", result.mAP))
        }


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


def _line(report: EpochReport) -> str:
    stages = {
        "input": report.input_seconds,
        "graph": report.graph_seconds,
        "network": report.network_seconds,
        "matcher": report.matcher_seconds,
    }
    shares = ", ".join(
        f"{stage} {100 * spent / report.seconds:.0f} %" for stage, spent in stages.items() if spent
    )
    text = (
        f"epoch {report.epoch}: loss {report.loss:.3f}, accuracy {100 * report.accuracy:.1f} %, "
        f"hard gap {report.gap:+.2f}, scale {report.scale:.2f}, "
        f"learning rate {report.learning_rate:.2g}, {report.seconds:.1f} s ({shares})"
    )
    if report.skipped_steps:
        text += (
            f", {report.skipped_steps} of {report.steps} steps skipped (no finite gradient, or no "
            "row that counts)"
        )
    if report.dropped_rows:
        text += f", {report.dropped_rows} rows dropped (not finite)"
    return text


def _validation_line(record: Mapping[str, Any]) -> str:
    if "validation_mAP" not in record:
        return ""
    return (
        f"; validation Rank-1 {100 * record['validation_rank1']:.1f}, "
        f"mAP {100 * record['validation_mAP']:.1f}"
    )

"""Training a run to its end: what is kept of it on the way, and where it is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from qaconv_reid.build import Hardware
from qaconv_reid.config import RunConfig
from qaconv_reid.data import DataError, ReidDataset
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.files import why
from qaconv_reid.ranks import Ranks
from qaconv_reid.recipes.evaluate import evaluate_sets
from qaconv_reid.recipes.interrupt import Interrupted, stop_when_interrupted
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.reports import Metrics, ProgressBars
from qaconv_reid.training import (
    CheckpointError,
    CollapsedError,
    EpochReport,
    Trainer,
    checkpoint,
)

__all__ = ["Fit"]

#: Batches after which the processes of a distributed run ask whether one is to stop.
_ASKED_EVERY = 10


class Fit:
    """A trainer, what is kept of it, and the evaluations on the way.

    Args:
        config: of the run.
        folder: where it is kept; only the first process writes.
        trainer: new, or to be given a checkpoint by `restore`.
        hardware: for the evaluations.
        ranks: the processes of the run.
        progress: bars, and lines above them.
        validation: identities held back, None for none.
        test_sets: looked at on the way where ``evaluation.test_every`` says so.
    """

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

    def run(self) -> None:
        """Train to the end.

        Raises:
            CollapsedError, DataError, Interrupted, OSError: it ended before; the message says how
                to go on.
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
        """Says how to go on where something cannot be written."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{place}: cannot be written ({why(error)}); what was kept before is whole: when "
                f"it can be written go on by: qaconv train {self.folder.path} --resume"
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

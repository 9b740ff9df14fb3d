"""What is counted during an epoch, and what is said of it at the end."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

__all__ = ["EpochReport", "StepResult", "Tally"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """One batch: means over the counted rows, as `qaconv_ext.losses.LossResult`."""

    loss: float
    accuracy: float
    counted: int
    dropped: int
    taken: bool
    """Whether the optimiser made a step: gradients were finite, and at least one row counted."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch. Loss and accuracy are means over its rows that counted, NaN where none did."""

    epoch: int
    """From 1."""
    loss: float
    accuracy: float
    """Share of rows that the loss takes for right, 0 to 1."""
    learning_rate: float
    """Of all but the backbone."""
    steps: int
    skipped_steps: int
    """Batches after which the optimiser made no step, for want of finite gradients."""
    dropped_rows: int
    """Rows left out because a score or loss was not finite."""
    seconds: float
    """Reading images, the graph and training."""
    graph_seconds: float

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, for a log."""
        return dataclasses.asdict(self)


@dataclass(slots=True)
class Tally:
    """The sums of an epoch in progress."""

    loss: float = 0.0
    accuracy: float = 0.0
    counted: int = 0
    dropped: int = 0
    steps: int = 0
    skipped: int = 0
    seconds: float = 0.0
    graph_seconds: float = 0.0

    def add(self, step: StepResult) -> None:
        """Count a batch."""
        self.loss += step.loss * step.counted
        self.accuracy += step.accuracy * step.counted
        self.counted += step.counted
        self.dropped += step.dropped
        self.steps += 1
        self.skipped += not step.taken

    def report(self, *, epoch: int, learning_rate: float) -> EpochReport:
        """What is to be said of the epoch."""
        return EpochReport(
            epoch=epoch,
            loss=self.loss / self.counted if self.counted else math.nan,
            accuracy=self.accuracy / self.counted if self.counted else math.nan,
            learning_rate=learning_rate,
            steps=self.steps,
            skipped_steps=self.skipped,
            dropped_rows=self.dropped,
            seconds=self.seconds,
            graph_seconds=self.graph_seconds,
        )

    def state_dict(self) -> dict[str, Any]:
        """The sums, in JSON's types."""
        return dataclasses.asdict(self)

"""When the learning rate falls and when a run ends: plain logic over epochs and their losses."""

from __future__ import annotations

import math
from typing import Any, Protocol

from qaconv_reid.config import ScheduleConfig

__all__ = ["AdaptiveSchedule", "CosineSchedule", "Schedule", "StepSchedule", "build_schedule"]


class Schedule(Protocol):
    """What the trainer asks of a schedule. Epochs are counted from 1."""

    def factor(self, position: float) -> float:
        """What the learning rates are multiplied by.

        Args:
            position: epochs behind the batch to come, with the part of the one in progress.
        """

    @property
    def finished(self) -> bool:
        """Whether the epochs seen so far were all."""

    @property
    def last_epoch(self) -> int:
        """The epoch after which the run ends, as far as is known."""

    def end_epoch(self, loss: float) -> None:
        """Take note of an epoch's mean loss."""

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, in JSON's types."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""


class _Counted:
    """A schedule that ends after a number of epochs, whatever their losses."""

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs
        self.epoch = 0

    @property
    def last_epoch(self) -> int:
        """The epoch after which the run ends."""
        return self.max_epochs

    @property
    def finished(self) -> bool:
        """Whether the epochs seen so far were all."""
        return self.epoch >= self.last_epoch

    def end_epoch(self, loss: float) -> None:
        """Take note that an epoch is over; its loss decides nothing."""
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, in JSON's types."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        self.epoch = state["epoch"]


class AdaptiveSchedule(_Counted):
    """The paper's rule (arXiv 2104.01546, section 4.2): the loss says when.

    Once an epoch's loss falls under ``loss_factor`` times the second epoch's, the learning rate is
    multiplied by ``decay``, once, and the run ends at ``stretch`` times that epoch, rounded down.
    The second epoch is the measure because in the first the matcher is still finding its scale.

    Args:
        max_epochs: the run ends here at the latest, whether or not the loss has fallen.
        loss_factor: the fraction of the second epoch's loss, in (0, 1).
        stretch: the run's length as a multiple of the epoch in which the rate fell, at least 1.
        decay: the factor of the learning rate from then on.
    """

    def __init__(self, max_epochs: int, loss_factor: float, stretch: float, decay: float) -> None:
        super().__init__(max_epochs)
        self.loss_factor = loss_factor
        self.stretch = stretch
        self.decay = decay
        self.base_loss: float | None = None
        self.decay_epoch: int | None = None

    def factor(self, position: float) -> float:
        """What the learning rates are multiplied by in the epoch to come."""
        return 1.0 if self.decay_epoch is None else self.decay

    @property
    def last_epoch(self) -> int:
        """The epoch after which the run ends, as far as is known."""
        if self.decay_epoch is None:
            return self.max_epochs
        return min(self.max_epochs, math.floor(self.stretch * self.decay_epoch))

    def end_epoch(self, loss: float) -> None:
        """Take note of an epoch's mean loss; one that is not finite decides nothing."""
        self.epoch += 1
        if not math.isfinite(loss) or self.epoch < 2 or self.decay_epoch is not None:
            return
        if self.base_loss is None:
            self.base_loss = loss
        elif loss < self.loss_factor * self.base_loss:
            self.decay_epoch = self.epoch

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, in JSON's types."""
        return {
            "epoch": self.epoch,
            "base_loss": self.base_loss,
            "decay_epoch": self.decay_epoch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        super().load_state_dict(state)
        self.base_loss = state["base_loss"]
        self.decay_epoch = state["decay_epoch"]


class StepSchedule(_Counted):
    """The learning rate is multiplied by ``decay`` after every ``step`` epochs.

    Args:
        max_epochs: the run ends here.
        step: epochs between two falls.
        decay: the factor of each.
        falls: how often it falls at most; 0 for no limit.
    """

    def __init__(self, max_epochs: int, step: int, decay: float, falls: int = 0) -> None:
        super().__init__(max_epochs)
        self.step = step
        self.decay = decay
        self.falls = falls

    def factor(self, position: float) -> float:
        """What the learning rates are multiplied by."""
        falls = int(position) // self.step
        return float(self.decay ** (min(falls, self.falls) if self.falls else falls))


class CosineSchedule(_Counted):
    """The learning rate goes down half a cosine, from 1 to ``decay`` at the end of the run.

    Source: Loshchilov & Hutter, *SGDR* (arXiv 1608.03983), without restarts.
    """

    def __init__(self, max_epochs: int, decay: float) -> None:
        super().__init__(max_epochs)
        self.decay = decay

    def factor(self, position: float) -> float:
        """What the learning rates are multiplied by."""
        left = (1 + math.cos(math.pi * min(position / self.max_epochs, 1.0))) / 2
        return self.decay + (1 - self.decay) * left


def build_schedule(config: ScheduleConfig) -> Schedule:
    """The schedule that the settings name."""
    if config.kind == "step":
        return StepSchedule(config.max_epochs, config.step, config.decay, config.falls)
    if config.kind == "cosine":
        return CosineSchedule(config.max_epochs, config.decay)
    return AdaptiveSchedule(config.max_epochs, config.loss_factor, config.stretch, config.decay)

"""What is counted of the steps of an epoch, and what is said of it at the end.

The sums of the steps lie on the training device and are read at the end of a window of `WINDOW`
steps: until then no step waits for the device.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from qaconv_ext.losses import LossResult
from qaconv_ext.qaconv import QAConv
from qaconv_reid.models import PairMatcher
from qaconv_reid.training.composition import CompositionReport

__all__ = ["WINDOW", "EpochReport", "Meter", "Window"]

#: Steps of a window.
WINDOW = 50

#: What seconds are counted of.
Spent = Literal["all", "processor", "input", "graph", "network", "matcher"]


@dataclass(frozen=True, slots=True)
class Window:
    """Some steps in a row: means over the rows that counted, NaN where none did."""

    steps: int
    skipped: int
    """Steps that the optimizer did not make."""
    counted: int
    loss: float
    accuracy: float
    gap: float
    scale: float
    """``logit_bn.weight`` of the matcher after the last step."""
    variance: float
    """Running variance of the matcher's maxima after the last step; of a cosine 1."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch. Loss, accuracy and gap are means over its rows that counted, NaN for none."""

    epoch: int
    """From 1."""
    loss: float
    accuracy: float
    """Share of rows that the loss takes for right, 0 to 1."""
    gap: float
    """Hardest positive minus hardest negative, in units of the score."""
    scale: float
    """``logit_bn.weight`` of the matcher: the gap in units of it is that of the maps."""
    counted_rows: int
    """Rows that the means are over."""
    violated_rows: int
    """Those of them that were not right."""
    learning_rate: float
    """Of all but the backbone."""
    images: int
    """Seen in the epoch."""
    steps: int
    """Batches."""
    skipped_steps: int
    """Batches after which the optimizer made no step, for want of finite gradients or of a row
    that counts."""
    dropped_rows: int
    """Rows left out because a score or loss was not finite."""
    seconds: float
    """In all."""
    processor_seconds: float
    """Of processor time in all threads of this process, without those of ``runtime.workers``."""
    input_seconds: float
    """Reading, fetching and changing images."""
    graph_seconds: float
    network_seconds: float
    """Its forward and backward pass."""
    matcher_seconds: float
    """Matcher and loss, forward and backward."""
    batches: CompositionReport
    """What they were made of."""

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, for a log."""
        values = dataclasses.asdict(self)
        batches = values.pop("batches")
        return {**values, **batches}


@dataclass(slots=True)
class _Sums:
    loss: float = 0.0
    accuracy: float = 0.0
    gap: float = 0.0
    counted: float = 0.0
    dropped: float = 0.0
    skipped: float = 0.0

    def add(self, other: _Sums) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def mean(self, name: str) -> float:
        total: float = getattr(self, name)
        return total / self.counted if self.counted else math.nan


class Meter:
    """The sums of an epoch in progress, and those of some steps in a row, which may span two.

    Args:
        matcher: whose scale and variance are told.
        device: where the sums lie until they are read.
    """

    def __init__(self, matcher: PairMatcher, device: torch.device) -> None:
        self._matcher = matcher
        self._unread = torch.zeros(len(dataclasses.fields(_Sums)), device=device).double()
        self._window = _Sums()
        self._window_steps = 0
        self._scale = self._variance = math.nan
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forget the sums of the epoch that is over."""
        self._epoch = _Sums()
        #: Batches and images of the epoch.
        self.steps = self.images = 0
        self.seconds: dict[str, float] = dict.fromkeys(get_args(Spent), 0.0)

    def add(self, result: LossResult, taken: Tensor, images: int) -> None:
        """Count a batch.

        Args:
            result: of its loss.
            taken: boolean scalar, whether the optimizer made a step.
            images: of the batch.
        """
        counted = result.counted.double()
        values = [result.loss.detach(), result.accuracy, result.gap]
        self._unread += torch.stack(
            [*(value.double() * counted for value in values), counted, result.dropped, ~taken]
        )
        self._window_steps += 1
        self.steps += 1
        self.images += images

    def end_window(self) -> Window:
        """The steps since the last window."""
        self._read()
        sums, steps = self._window, self._window_steps
        self._window, self._window_steps = _Sums(), 0
        return Window(
            steps=steps,
            skipped=int(sums.skipped),
            counted=int(sums.counted),
            loss=sums.mean("loss"),
            accuracy=sums.mean("accuracy"),
            gap=sums.mean("gap"),
            scale=self._scale,
            variance=self._variance,
        )

    def report(
        self, *, epoch: int, learning_rate: float, batches: CompositionReport
    ) -> EpochReport:
        """What is to be said of the epoch."""
        self._read()
        sums = self._epoch
        return EpochReport(
            epoch=epoch,
            loss=sums.mean("loss"),
            accuracy=sums.mean("accuracy"),
            gap=sums.mean("gap"),
            scale=self._scale,
            counted_rows=int(sums.counted),
            violated_rows=round(sums.counted - sums.accuracy),
            learning_rate=learning_rate,
            images=self.images,
            steps=self.steps,
            skipped_steps=int(sums.skipped),
            dropped_rows=int(sums.dropped),
            batches=batches,
            **{f"{part}_seconds".removeprefix("all_"): s for part, s in self.seconds.items()},
        )

    def _read(self) -> None:
        """Move what has come since the last time to the sums, in one transfer."""
        matcher = self._matcher
        # Of a cosine no statistics are kept: its variance is always 1.
        first = matcher.bn if isinstance(matcher, QAConv) else matcher.logit_bn
        scale, variance = matcher.logit_bn.weight, first.running_var
        assert variance is not None
        parts = [self._unread, scale.detach().double(), variance.double()]
        *numbers, self._scale, self._variance = torch.cat(parts).tolist()
        for sums in (self._epoch, self._window):
            sums.add(_Sums(*numbers))
        self._unread.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The sums, in JSON's types, without reading them before their time."""
        return {
            "epoch": dataclasses.asdict(self._epoch),
            "window": dataclasses.asdict(self._window),
            "unread": self._unread.tolist(),
            "window_steps": self._window_steps,
            "steps": self.steps,
            "images": self.images,
            "seconds": dict(self.seconds),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        self._epoch = _Sums(**state["epoch"])
        self._window = _Sums(**state["window"])
        self._unread.copy_(torch.tensor(state["unread"], dtype=torch.float64))
        self._window_steps = state["window_steps"]
        self.steps = state["steps"]
        self.images = state["images"]
        self.seconds |= state["seconds"]  # those of old have no processor time

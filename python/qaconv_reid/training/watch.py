"""Whether a run still learns: what is looked for in the sums of some steps, and what is said.

A matcher can collapse without any number being wrong: its scale passes zero, or all maps come to
point the same way. The loss then stands still, and nothing reaches the network any more.
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from qaconv_reid.config import RunConfig
from qaconv_reid.training.meter import EpochReport, Window

__all__ = ["CollapsedError", "HeldScale", "Watch", "check_finite"]

#: A scale below this is none: gradients of the maps are proportional to it.
SMALLEST_SCALE = 0.05

#: A variance of the maxima below this: all maps are one.
SMALLEST_VARIANCE = 1e-7

#: A loss this near to the triplet's margin, in parts of it, and a gap as small, teach nothing.
AT_THE_MARGIN = 1e-3

#: Rows of an epoch under which its accuracy says nothing.
FEWEST_ROWS = 1000

#: Windows in a row in which something must be seen before it is said.
PATIENCE = 2


_NO_STEP = (
    "for want of a finite gradient or of a row that counts: look at the weights (model.weights), "
    "optimizer.learning_rate and runtime.precision"
)


class CollapsedError(Exception):
    """Nothing is learnt any more; the text says what happened and which setting helps."""


def check_finite(weights: nn.Module) -> None:
    """That weights and statistics are numbers still: a checkpoint of others is of no use.

    Raises:
        CollapsedError: they are not.
    """
    bad = [
        name
        for name, value in weights.state_dict().items()
        if value.is_floating_point() and not value.isfinite().all()
    ]
    if bad:
        raise CollapsedError(
            f"{bad[0]} and {len(bad) - 1} more are not finite: look at the weights "
            "(model.weights), optimizer.learning_rate and runtime.precision"
        )


class Watch:
    """Looks at each window of steps, and at each epoch.

    Args:
        config: of the run.
        rows_at_chance: share of the rows that would be right if scores were drawn at random.
    """

    def __init__(self, config: RunConfig, rows_at_chance: float) -> None:
        self._config = config
        self._chance = rows_at_chance
        self._seen: dict[str, int] = {}

    def look(self, window: Window) -> str | None:
        """What is wrong with the run, once it has been so for `PATIENCE` windows in a row."""
        found = self._symptoms(window)
        self._seen = {what: self._seen.get(what, 0) + 1 for what in found}
        lasting = [what for what, times in self._seen.items() if times >= PATIENCE]
        return found[lasting[0]] if lasting else None

    def end_epoch(self, report: EpochReport) -> str | None:
        """What is wrong with the epoch as a whole."""
        if report.counted_rows < FEWEST_ROWS:
            return None
        # Two standard errors above what chance gives.
        noise = math.sqrt(self._chance * (1 - self._chance) / report.counted_rows)
        if report.accuracy <= self._chance + 2 * noise:
            return (
                f"the accuracy of epoch {report.epoch} is that of chance "
                f"({100 * report.accuracy:.2f} %): nothing is learnt. {self._advice()}"
            )
        return None

    def end_run(self, report: EpochReport) -> str | None:
        """What is wrong with the last epoch of a run: none follows in which a step is made."""
        if report.skipped_steps < report.steps:
            return None
        return f"no step was made in the last epoch, {_NO_STEP}"

    def _symptoms(self, window: Window) -> dict[str, str]:
        found = {}
        if window.skipped == window.steps:
            found["skipped"] = f"no step was made {_NO_STEP}"
        if abs(window.scale) < SMALLEST_SCALE:
            found["scale"] = (
                f"the matcher's scale (logit_bn.weight) is {window.scale:.4f}: all scores are "
                f"alike, and nothing reaches the network any more. {self._advice()}"
            )
        if window.variance < SMALLEST_VARIANCE:
            found["variance"] = (
                f"all feature maps are alike (variance of their maxima {window.variance:.1e}). "
                f"{self._advice()}"
            )
        margin = self._config.loss.margin
        if (
            self._config.loss.kind == "triplet"
            and abs(window.loss - margin) < AT_THE_MARGIN * margin
            and abs(window.gap) < AT_THE_MARGIN * margin
        ):
            found["margin"] = (
                f"the loss stands at its margin, {margin:g}, and the scores of all pairs are "
                f"alike. {self._advice()}"
            )
        return found

    def _advice(self) -> str:
        config = self._config
        ideas = []
        if not config.matcher.hold_scale:
            ideas.append("matcher.hold_scale=true")
        if config.loss.kind != "pairwise":
            ideas.append("loss.kind=pairwise")
        if config.loss.kind == "class_memory" and config.sampler.kind != "shuffle":
            ideas.append("sampler.kind=shuffle with model.neck_norm=true")
        elif config.sampler.kind == "graph":
            ideas.append("sampler.kind=pk")
        ideas.append("a lower optimizer.learning_rate")
        return f"What helps: {' or '.join(ideas)}"

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, in JSON's types."""
        return {"seen": dict(self._seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        self._seen = dict(state["seen"])


class HeldScale:
    """Says when the head's scale may learn.

    With hard triplets the gradient of the scale is minus the hardest gap in units of it, whatever
    the network, and that of the maps is proportional to the scale. While the gap is negative the
    scale therefore falls, and at zero both stop for good. So it is held until the gap has been
    positive for `PATIENCE` windows, and again where it turns negative after that while the scale
    is under where it began.

    Args:
        on: False never holds it.
        start: the scale at the beginning of the run.
    """

    def __init__(self, on: bool, start: float = 1.0) -> None:
        self.on = on
        self.start = start
        self.held = on
        self._positive = 0

    def look(self, window: Window) -> None:
        """Decide for the steps to come."""
        if not self.on or not math.isfinite(window.gap):
            return
        self._positive = self._positive + 1 if window.gap > 0 else 0
        if self._positive >= PATIENCE:
            self.held = False
        elif window.gap <= 0 and window.scale <= self.start:
            self.held = True

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, in JSON's types."""
        return {"held": self.held, "positive": self._positive}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        self.held = state["held"]
        self._positive = state["positive"]

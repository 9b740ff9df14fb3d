"""Which of several random starts a run is made from, as the authors' releases 1.1 and 1.2 chose."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from qaconv_reid import documents
from qaconv_reid.files import replaced
from qaconv_reid.training import CollapsedError, Trainer

__all__ = ["best_start"]


class _Trials(BaseModel):
    """What is kept of the starts that were tried."""

    model_config = ConfigDict(strict=True)

    accuracies: list[float | None]


_TRIALS = TypeAdapter(_Trials)


def best_start(
    trials: int,
    images: int,
    build: Callable[[int], Trainer],
    file: Path,
    *,
    writes: bool,
    say: Callable[[str], None],
) -> int:
    """Train from each start for a while, and choose the one with the best batch accuracy.

    What is finished is kept in ``file``: an interrupted choice goes on with the next start.

    Args:
        trials: starts, numbered from 0.
        images: of each; rounded up to whole windows of steps.
        build: a trainer from a start of this number.
        file: ``{"accuracies": [...]}`` of the finished ones; None for a start that collapsed.
        writes: whether this process keeps them.
        say: told of each in a sentence.

    Returns:
        The number of the chosen start; of equal ones the first.

    Raises:
        CollapsedError: all of them collapsed.
        DocumentError: the file is something else.
    """
    accuracies = _read(file)
    for number in range(len(accuracies), trials):
        try:
            accuracy = build(number).accuracy_after(images)
            accuracies.append(accuracy)
            say(f"start {number + 1} of {trials}: batch accuracy {100 * accuracy:.1f} %")
        except CollapsedError as error:
            accuracies.append(None)
            say(f"start {number + 1} of {trials}: {error}")
        if writes:
            with replaced(file) as temporary:
                temporary.write_text(json.dumps({"accuracies": accuracies}) + "\n")
    finished = [-math.inf if value is None else value for value in accuracies[:trials]]
    best = max(finished)
    if best == -math.inf:
        raise CollapsedError(
            f"all {trials} starts collapsed: a lower optimizer.learning_rate helps, or loss.prior"
        )
    chosen = finished.index(best)
    say(f"start {chosen + 1} is trained from its beginning (start.trials)")
    return chosen


def _read(file: Path) -> list[float | None]:
    try:
        read = documents.read(file, "the trials of a run")
    except FileNotFoundError:
        return []
    return documents.check(_TRIALS, read, str(file)).accuracies

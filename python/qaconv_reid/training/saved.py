"""What a checkpoint has to hold, entry by entry, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from torch import Tensor

from qaconv_reid.training.meter import Spent

__all__ = ["SAVED_RUN", "SAVED_WEIGHTS", "restoring"]

_Count = Annotated[int, Field(ge=0)]
_Tensors = dict[str, Tensor]


class _Part(BaseModel):
    # Strict: JSON has the types that were written, and text is no number.
    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True, extra="allow")


class _Sums(_Part):
    loss: float
    accuracy: float
    gap: float
    counted: float
    dropped: float
    skipped: float
    model_config = ConfigDict(extra="forbid")


class _Meter(_Part):
    epoch: _Sums
    window: _Sums
    unread: Annotated[list[float], Field(min_length=6, max_length=6)]
    window_steps: _Count
    steps: _Count
    images: _Count
    seconds: dict[Spent, float]


class _Composition(_Part):
    pairs: _Count
    same_camera: _Count
    look_alike: _Count
    drawn: list[_Count]


class _Stream(_Part):
    samplers: dict[str, dict[str, Any]]
    active: str
    sweep: _Count
    done: _Count
    augments: bool


class _Watch(_Part):
    seen: dict[str, _Count]


class _Hold(_Part):
    held: bool
    positive: _Count


class _NumPyState(_Part):
    keys: Tensor
    rest: Annotated[list[float], Field(min_length=3, max_length=3)]


class _Random(_Part):
    python: Annotated[list[Any], Field(min_length=3, max_length=3)]
    numpy: _NumPyState
    torch: Tensor
    cuda: list[Tensor]


class _OpenStep(_Part):
    sums: _Tensors
    statistics: list[Tensor]
    counted: Tensor


class _Schedule(_Part):
    epoch: _Count


class _Weights(_Part):
    """Of what is evaluated."""

    network: _Tensors
    matcher: _Tensors
    epoch: _Count


class _Run(_Weights):
    objective: _Tensors
    optimizer: dict[str, dict[str, Tensor | float | None]]
    scaler: dict[str, float]
    schedule: _Schedule
    stream: _Stream
    position: _Count
    meter: _Meter
    composition: _Composition
    watch: _Watch
    trouble: str = ""
    hold: _Hold
    random: _Random
    learning: _Tensors | None = None
    gradients: _OpenStep | None = None
    best: float
    since_best: _Count


SAVED_WEIGHTS: TypeAdapter[Any] = TypeAdapter(_Weights)
"""Network and matcher, and the epochs behind them: enough to evaluate."""
SAVED_RUN: TypeAdapter[Any] = TypeAdapter(_Run)
"""All that a run goes on from."""


@contextmanager
def restoring(name: str) -> Iterator[None]:
    """Names the entry of a state that is of something else than what takes it up.

    Raises:
        ValueError: it is; the message begins with the entry.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{name}: {reason}") from error

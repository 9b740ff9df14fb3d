"""How long fuzz tests go on: a second or two each in the gate, minutes where they are asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, settings

__all__ = ["fuzz"]

#: Minutes that each test goes on; without it a fixed number of examples.
MINUTES = "QACONV_FUZZ_MINUTES"

#: Examples between two looks at the clock.
_ROUND = 1000

_Test = Callable[..., Any]


def fuzz(examples: int = 200) -> Callable[[_Test], _Test]:
    """How a fuzz test is run; stands above its ``@given``.

    In the gate the examples are the same each time: what fails once fails for everybody. With
    ``QACONV_FUZZ_MINUTES`` they are new ones for so long.

    Args:
        examples: in the gate; so many that a test takes a second or two.
    """

    def run(test: _Test) -> _Test:
        minutes = float(os.environ.get(MINUTES, "0"))
        common: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}
        if not minutes:
            fixed: _Test = settings(
                max_examples=examples, derandomize=True, database=None, **common
            )(test)
            return fixed
        some = settings(max_examples=_ROUND, **common)(test)

        @functools.wraps(some)
        def rounds(*arguments: Any, **named: Any) -> None:
            until = monotonic() + 60 * minutes
            while monotonic() < until:
                some(*arguments, **named)

        return rounds

    return run

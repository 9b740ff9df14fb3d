"""The pipeline around `qaconv_ext`: data sets, networks, training, evaluation, commands.

    import qaconv_reid

    m = qaconv_reid.load("runs/people")
    scores = m.match("query.jpg", "gallery/").scores

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qaconv_reid.matcher import Matcher, MatchResult, load

__all__ = ["MatchResult", "Matcher", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("qaconv_reid.matcher"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

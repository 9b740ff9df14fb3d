"""How the pairs of an evaluation are matched: in the precision that the settings ask for."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from qaconv_ext.narrow import NarrowQAConv, why_slow
from qaconv_ext.qaconv import QAConv
from qaconv_reid.build import Hardware
from qaconv_reid.config import RunConfig

__all__ = ["Scoring", "scoring"]


class Scoring(NamedTuple):
    """What matches, and what a reader of the figures has to know of it."""

    matcher: nn.Module
    precision: str
    """The one in use: ``float32``, ``bfloat16`` or ``int8``."""
    note: str | None


def scoring(matcher: nn.Module, config: RunConfig, hardware: Hardware) -> Scoring:
    """The matcher in ``evaluation.precision``; in float32, and said so, where that is no gain."""
    wanted = config.evaluation.precision
    if wanted == "float32":
        return Scoring(matcher, wanted, None)
    if not isinstance(matcher, QAConv):
        slow = f"{type(matcher).__name__} has no winners to find"
    else:
        slow = why_slow(wanted, hardware.device.type)
        if not slow:
            narrow = NarrowQAConv(matcher, wanted)
            return Scoring(narrow, wanted, f"winners found in {wanted}, scores in float32")
    return Scoring(matcher, "float32", f"evaluation.precision={wanted}: {slow}; float32 was taken")

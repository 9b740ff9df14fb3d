"""A probability from a score, by the one rule of `qaconv_reid.matcher.Matcher`."""

from __future__ import annotations

from collections.abc import Callable

from qaconv_reid.build import Hardware
from qaconv_reid.config import RunConfig
from qaconv_reid.matcher import Matcher
from qaconv_reid.restore import Restored

__all__ = ["Chance", "chance_of", "score_words"]

Chance = Callable[[float], float | None]
"""From a score to a probability, or None where it says none."""


def chance_of(models: Restored, config: RunConfig, hardware: Hardware, *, trained: bool) -> Chance:
    """What scores of these models are as probabilities.

    Args:
        models: that make the scores.
        config: of the run.
        hardware: where they are.
        trained: by the run of ``config``, whose calibration counts; else scores say nothing.
    """
    matcher = Matcher(models, config, hardware, folder=config.directory if trained else None)

    def chance(score: float) -> float | None:
        told = trained and matcher.tells_probability
        return float(matcher.probability(score)) if told else None

    return chance


def score_words(score: float, chance: float | None) -> str:
    """Both in a few words, such as ``score 2.31, probability 0.91``."""
    return f"score {score:.2f}" + ("" if chance is None else f", probability {chance:.2f}")

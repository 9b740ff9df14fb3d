"""A probability from a score, where the loss made one of it."""

from __future__ import annotations

from qaconv_reid.calibration import sigmoid
from qaconv_reid.config import RunConfig

__all__ = ["probability", "score_words"]

#: The losses that take a score as the logit of "the same identity".
_LOGITS = frozenset({"pairwise", "class_memory"})


def probability(score: float, config: RunConfig, *, trained: bool) -> float | None:
    """The sigmoid of a score, as the loss took it; None where no loss made the score a logit.

    It is that of a pair as training drew them, half-hard, and not calibrated for any other mixture.
    """
    if not trained or config.loss.kind not in _LOGITS:
        return None
    return float(sigmoid(score))


def score_words(score: float, chance: float | None) -> str:
    """Both in a few words, such as ``score 2.31, probability 0.91``."""
    return f"score {score:.2f}" + ("" if chance is None else f", probability {chance:.2f}")

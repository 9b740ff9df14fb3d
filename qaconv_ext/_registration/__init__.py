"""The Python half of each operator: fake, derivatives and autocast rule, one file per operator."""

from qaconv_ext._registration import (
    correlation_max,
    correlation_max_self,
    match_scores,
    match_scores_narrow,
    pairwise_distance,
)

__all__ = [
    "correlation_max",
    "correlation_max_self",
    "match_scores",
    "match_scores_narrow",
    "pairwise_distance",
]

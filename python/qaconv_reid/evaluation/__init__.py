"""Measuring how well persons are found again: features, ranking, the whole evaluation."""

from qaconv_reid.evaluation.evaluator import EvaluationResult, evaluate, score_blocks
from qaconv_reid.evaluation.features import FeatureSet, extract
from qaconv_reid.evaluation.histogram import stripe_histograms
from qaconv_reid.evaluation.ranking import Ranking, count_matches, evaluate_ranking

__all__ = [
    "EvaluationResult",
    "FeatureSet",
    "Ranking",
    "count_matches",
    "evaluate",
    "evaluate_ranking",
    "extract",
    "score_blocks",
    "stripe_histograms",
]

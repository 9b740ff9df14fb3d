"""Measuring how well persons are found again: features, ranking, the whole evaluation."""

from qaconv_reid.evaluation.evaluator import EvaluationResult, evaluate, score_blocks
from qaconv_reid.evaluation.features import FeatureSet, extract
from qaconv_reid.evaluation.histogram import stripe_histograms
from qaconv_reid.evaluation.ranking import Ranking, count_matches, evaluate_ranking
from qaconv_reid.evaluation.rerank import Reranking, rerank
from qaconv_reid.evaluation.temporal_lifting import TemporalLifting, temporal_lifting

__all__ = [
    "EvaluationResult",
    "FeatureSet",
    "Ranking",
    "Reranking",
    "TemporalLifting",
    "count_matches",
    "evaluate",
    "evaluate_ranking",
    "extract",
    "rerank",
    "score_blocks",
    "stripe_histograms",
    "temporal_lifting",
]

"""Measuring how well people are found again: features, ranking, the whole evaluation."""

from qaconv_reid.evaluation.agreement import agreements, domain_distance
from qaconv_reid.evaluation.baselines import (
    BASELINES,
    Baseline,
    ColorHistogram,
    Images,
    PooledEmbedding,
    Stripes,
)
from qaconv_reid.evaluation.bootstrap import Interval, confidence_interval, interval_of_means
from qaconv_reid.evaluation.camera_pairs import CameraPairs, evaluate_camera_pairs
from qaconv_reid.evaluation.comparison import Comparison, Difference, PerQuery, compare
from qaconv_reid.evaluation.cost import Cost, Rates
from qaconv_reid.evaluation.cross_domain import (
    DomainMean,
    DomainRanking,
    domain_means,
    domain_rankings,
)
from qaconv_reid.evaluation.evaluator import evaluate, score_blocks
from qaconv_reid.evaluation.feature_file import (
    FEATURE_FORMATS,
    read_features,
    write_features,
)
from qaconv_reid.evaluation.features import FeatureSet, extract
from qaconv_reid.evaluation.open_set import OpenSet, evaluate_open_set
from qaconv_reid.evaluation.parts import features_of_parts
from qaconv_reid.evaluation.protocols import (
    PROTOCOLS,
    Identities,
    Measures,
    Protocol,
    unmeasurable,
)
from qaconv_reid.evaluation.ranking import Area, Ranking, count_matches, evaluate_ranking
from qaconv_reid.evaluation.reliability import Reliability, ReliabilityBin
from qaconv_reid.evaluation.rerank import Reranking, rerank, rerank_among
from qaconv_reid.evaluation.rerank_matches import rerank_matches, reranked
from qaconv_reid.evaluation.result import EvaluationResult, Measured
from qaconv_reid.evaluation.single_shot import RepeatedRanking, evaluate_single_shot
from qaconv_reid.evaluation.temporal_lifting import TemporalLifting, temporal_lifting
from qaconv_reid.evaluation.tracklets import pool_tracklets, tracklet_labels
from qaconv_reid.evaluation.verification import Verification, evaluate_verification
from qaconv_reid.evaluation.work import SetWork, Work

__all__ = [
    "BASELINES",
    "FEATURE_FORMATS",
    "PROTOCOLS",
    "Area",
    "Baseline",
    "CameraPairs",
    "ColorHistogram",
    "Comparison",
    "Cost",
    "Difference",
    "DomainMean",
    "DomainRanking",
    "EvaluationResult",
    "FeatureSet",
    "Identities",
    "Images",
    "Interval",
    "Measured",
    "Measures",
    "OpenSet",
    "PerQuery",
    "PooledEmbedding",
    "Protocol",
    "Ranking",
    "Rates",
    "Reliability",
    "ReliabilityBin",
    "RepeatedRanking",
    "Reranking",
    "SetWork",
    "Stripes",
    "TemporalLifting",
    "Verification",
    "Work",
    "agreements",
    "compare",
    "confidence_interval",
    "count_matches",
    "domain_distance",
    "domain_means",
    "domain_rankings",
    "evaluate",
    "evaluate_camera_pairs",
    "evaluate_open_set",
    "evaluate_ranking",
    "evaluate_single_shot",
    "evaluate_verification",
    "extract",
    "features_of_parts",
    "interval_of_means",
    "pool_tracklets",
    "read_features",
    "rerank",
    "rerank_among",
    "rerank_matches",
    "reranked",
    "score_blocks",
    "temporal_lifting",
    "tracklet_labels",
    "unmeasurable",
    "write_features",
]

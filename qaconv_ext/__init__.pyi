from qaconv_ext import arrays as arrays
from qaconv_ext import backend as backend
from qaconv_ext import correspondence as correspondence
from qaconv_ext import functional as functional
from qaconv_ext import graph as graph
from qaconv_ext import losses as losses
from qaconv_ext import narrow as narrow
from qaconv_ext import qaconv as qaconv
from qaconv_ext import reference as reference
from qaconv_ext.correspondence import Correspondences as Correspondences
from qaconv_ext.correspondence import Match as Match
from qaconv_ext.correspondence import correspondences as correspondences
from qaconv_ext.correspondence import correspondences_of_pairs as correspondences_of_pairs
from qaconv_ext.correspondence import ordinary_maximum as ordinary_maximum
from qaconv_ext.functional import CorrelationMax as CorrelationMax
from qaconv_ext.functional import NearestMatches as NearestMatches
from qaconv_ext.functional import correlation_max as correlation_max
from qaconv_ext.functional import correlation_max_self as correlation_max_self
from qaconv_ext.functional import match_scores as match_scores
from qaconv_ext.functional import nearest_matches as nearest_matches
from qaconv_ext.functional import pairwise_distance as pairwise_distance
from qaconv_ext.graph import ClassBatchSampler as ClassBatchSampler
from qaconv_ext.graph import ClassQueues as ClassQueues
from qaconv_ext.graph import EpochBatchSampler as EpochBatchSampler
from qaconv_ext.graph import GraphSampler as GraphSampler
from qaconv_ext.graph import PKSampler as PKSampler
from qaconv_ext.graph import ShuffleSampler as ShuffleSampler
from qaconv_ext.graph import class_distances as class_distances
from qaconv_ext.graph import nearest_classes as nearest_classes
from qaconv_ext.graph import one_graph as one_graph
from qaconv_ext.losses import ClassMemory as ClassMemory
from qaconv_ext.losses import ClassMemoryLoss as ClassMemoryLoss
from qaconv_ext.losses import HardTripletLoss as HardTripletLoss
from qaconv_ext.losses import LossResult as LossResult
from qaconv_ext.losses import PairMasks as PairMasks
from qaconv_ext.losses import PairwiseMatchingLoss as PairwiseMatchingLoss
from qaconv_ext.losses import SoftmaxClassifier as SoftmaxClassifier
from qaconv_ext.losses import hardest_pairs as hardest_pairs
from qaconv_ext.losses import pair_masks as pair_masks
from qaconv_ext.narrow import NarrowQAConv as NarrowQAConv
from qaconv_ext.narrow import match_scores_narrow as match_scores_narrow
from qaconv_ext.qaconv import BatchShare as BatchShare
from qaconv_ext.qaconv import QAConv as QAConv

__version__: str

__all__ = [
    "BatchShare",
    "ClassBatchSampler",
    "ClassMemory",
    "ClassMemoryLoss",
    "ClassQueues",
    "CorrelationMax",
    "Correspondences",
    "EpochBatchSampler",
    "GraphSampler",
    "HardTripletLoss",
    "LossResult",
    "Match",
    "NarrowQAConv",
    "NearestMatches",
    "PKSampler",
    "PairMasks",
    "PairwiseMatchingLoss",
    "QAConv",
    "ShuffleSampler",
    "SoftmaxClassifier",
    "class_distances",
    "correlation_max",
    "correlation_max_self",
    "correspondences",
    "correspondences_of_pairs",
    "hardest_pairs",
    "match_scores",
    "match_scores_narrow",
    "nearest_classes",
    "nearest_matches",
    "one_graph",
    "ordinary_maximum",
    "pair_masks",
    "pairwise_distance",
]

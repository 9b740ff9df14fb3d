"""Networks that turn an image into a map of features: backbones, neck, pretrained weights."""

from qaconv_reid.models.authors import AuthorsCheckpoint, read_authors
from qaconv_reid.models.backbones import BACKBONES
from qaconv_reid.models.cosine_matcher import CosineMatcher, PairMatcher, dense
from qaconv_reid.models.inference import Progress, as_floats, evaluation_mode, extract_maps
from qaconv_reid.models.network import FeatureMapNetwork, build_network
from qaconv_reid.models.packaged import AUTO, PACKAGED_WEIGHTS, about_weights, find_weights
from qaconv_reid.models.stripes import stripes
from qaconv_reid.models.weights import LoadReport, check_fit

__all__ = [
    "AUTO",
    "BACKBONES",
    "PACKAGED_WEIGHTS",
    "AuthorsCheckpoint",
    "CosineMatcher",
    "FeatureMapNetwork",
    "LoadReport",
    "PairMatcher",
    "Progress",
    "about_weights",
    "as_floats",
    "build_network",
    "check_fit",
    "dense",
    "evaluation_mode",
    "extract_maps",
    "find_weights",
    "read_authors",
    "stripes",
]

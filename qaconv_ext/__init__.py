"""Fused matching kernels, graph sampling and losses for person re-identification.

``from qaconv_ext import QAConv``, and so all names of ``__all__``; each is imported from its module
when it is first asked for, so that importing the package costs nothing and needs no torch. The
modules: ``qaconv_ext.functional`` holds the functions of feature maps, ``qaconv_ext.qaconv`` the
matcher that is made of them, ``qaconv_ext.correspondence`` takes its scores apart,
``qaconv_ext.graph`` holds the samplers, ``qaconv_ext.losses`` the losses on score matrices,
``qaconv_ext.backend`` the choice of implementation, ``qaconv_ext.arrays`` the functions on numpy
arrays.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("qaconv-ext")
except PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0+unknown"

#: Public name -> its module. What a type checker reads of them stands in `__init__.pyi`.
_EXPORTS = {
    name: module
    for module, names in {
        "functional": (
            "CorrelationMax",
            "NearestMatches",
            "correlation_max",
            "correlation_max_self",
            "match_scores",
            "nearest_matches",
            "pairwise_distance",
        ),
        "qaconv": ("BatchShare", "QAConv"),
        "correspondence": (
            "Correspondences",
            "Match",
            "correspondences",
            "correspondences_of_pairs",
            "ordinary_maximum",
        ),
        "graph": (
            "ClassBatchSampler",
            "ClassQueues",
            "EpochBatchSampler",
            "GraphSampler",
            "PKSampler",
            "ShuffleSampler",
            "class_distances",
            "nearest_classes",
            "one_graph",
        ),
        "losses": (
            "ClassMemory",
            "ClassMemoryLoss",
            "HardTripletLoss",
            "LossResult",
            "PairMasks",
            "PairwiseMatchingLoss",
            "SoftmaxClassifier",
            "hardest_pairs",
            "pair_masks",
        ),
        "narrow": ("NarrowQAConv", "match_scores_narrow"),
    }.items()
    for name in names
}
_MODULES = (
    "arrays",
    "backend",
    "correspondence",
    "functional",
    "graph",
    "losses",
    "narrow",
    "qaconv",
    "reference",
)

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value  # from now on without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS, *_MODULES})

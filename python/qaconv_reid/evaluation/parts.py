"""The features of both sides of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation.features import FeatureSet

__all__ = ["features_of_parts"]


def features_of_parts(
    dataset: ReidDataset, extracted: Callable[[Sequence[Record], str], FeatureSet], name: str
) -> tuple[FeatureSet, FeatureSet]:
    """Those of query and gallery; with every crop as query, no image is mapped twice.

    Args:
        dataset: whose images are mapped.
        extracted: takes records, and what to call them, to their features.
        name: of the data set, for what they are called.
    """
    if not dataset.every_crop:
        query = extracted(dataset.query, f"{name}: query features")
        return query, extracted(dataset.gallery, f"{name}: gallery features")
    gallery, queries = extracted(dataset.gallery, f"{name}: features"), len(dataset.query)
    first = FeatureSet(
        gallery.maps[:queries],
        gallery.persons[:queries],
        gallery.cameras[:queries],
        gallery.times[:queries],
    )
    return first, gallery

"""The protocols by their names: how scores and labels become a ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from qaconv_reid.data import ReidDataset, Views
from qaconv_reid.evaluation.labels import NO_MATCH, Labels, Rule
from qaconv_reid.evaluation.ranking import Area, Ranking, count_matches, evaluate_ranking
from qaconv_reid.evaluation.single_shot import evaluate_single_shot

__all__ = [
    "PROTOCOLS",
    "Identities",
    "Measures",
    "Protocol",
    "measure",
    "sides_by_protocol",
    "unmeasurable",
]

Protocol = Literal["market", "cuhk03", "cross-camera", "none"]
"""``market``: images of the query's identity by its camera are left out. ``cuhk03``: one gallery
image of each identity by another camera is drawn, ten times. ``cross-camera``: all images by the
query's camera are left out. ``none``: nothing is left out."""
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
_RULES: dict[Protocol, Rule] = {
    "market": "market",
    "cuhk03": "cross-camera",
    "cross-camera": "cross-camera",
    "none": "market",
}


class Identities(NamedTuple):
    """Who is in each image and which camera took it: what the protocols go by."""

    query_ids: tuple[int, ...]
    query_cams: tuple[int | None, ...]
    gallery_ids: tuple[int, ...]
    gallery_cams: tuple[int | None, ...]
    every_crop: bool = False
    """The queries are the gallery's first images: none is in its own ranking."""

    @classmethod
    def of(cls, dataset: ReidDataset) -> Identities:
        """Those of a data set."""
        return cls(
            tuple(record.person for record in dataset.query),
            tuple(record.camera for record in dataset.query),
            tuple(record.person for record in dataset.gallery),
            tuple(record.camera for record in dataset.gallery),
            dataset.every_crop,
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a data set, and how."""

    protocol: Protocol = "market"
    area: Area = "plain"
    rerank: bool = False
    """Also the re-ranked scores."""
    tlift: bool = False
    """Also the temporally lifted scores."""
    views: Views = field(default_factory=Views)
    """Of each data set."""

    def __post_init__(self) -> None:
        if self.views.every_crop and (self.rerank or self.tlift):
            raise ValueError(
                f"{'rerank' if self.rerank else 'tlift'}: got it with every crop as query, wanted "
                "plain scores: each image would be its own neighbor"
            )
        if self.protocol not in PROTOCOLS:
            raise ValueError(
                f"protocol: got {self.protocol!r}, wanted one of {', '.join(PROTOCOLS)}"
            )
        if self.area not in get_args(Area):
            raise ValueError(f"area: got {self.area!r}, wanted one of {', '.join(get_args(Area))}")
        if self.protocol == "cuhk03" and self.area != "plain":
            raise ValueError(
                f"area: got {self.area!r} with the protocol cuhk03, wanted plain: a single match "
                "leaves no curve"
            )


def measure(
    measures: Measures,
    blocks: Iterable[Tensor],
    identities: Identities,
    queries: Sequence[int] | None = None,
) -> Ranking:
    """Rank and measure by a protocol.

    Args:
        measures: which protocol, and how average precision is summed up.
        blocks: of scores, as for `evaluate_ranking`.
        identities: of the images.
        queries: numbers of those that the blocks are of; None for all.

    Raises:
        ValueError: as `evaluate_ranking`.
    """
    rule, labels = _RULES[measures.protocol], _labels(measures.protocol, identities)
    if queries is not None:
        pids, cameras, gallery_pids, gallery_cameras = labels
        some = None if cameras is None else tuple(cameras[n] for n in queries)
        labels = tuple(pids[n] for n in queries), some, gallery_pids, gallery_cameras
    if measures.protocol == "cuhk03":
        return evaluate_single_shot(blocks, *labels, rule=rule)
    return evaluate_ranking(blocks, *labels, rule=rule, area=measures.area)


def unmeasurable(dataset: ReidDataset, protocol: Protocol) -> str | None:
    """Why nothing can be measured of a data set, as a complaint; None where it can."""
    for part in ("query", "gallery"):
        if not dataset.parts[part]:
            return f"got no {part} images, wanted some"
    labels = _labels(protocol, Identities.of(dataset))
    return None if count_matches(*labels, rule=_RULES[protocol]).any() else NO_MATCH


def sides_by_protocol(protocol: Protocol, identities: Identities) -> tuple[Labels, Labels]:
    """Queries and gallery as the protocol looks at them: which of their pairs count."""
    query_ids, query_cams, gallery_ids, gallery_cams = _labels(protocol, identities)
    return Labels("query", query_ids, query_cams), Labels("gallery", gallery_ids, gallery_cams)


def _labels(
    protocol: Protocol, identities: Identities
) -> tuple[
    tuple[int, ...], tuple[int | None, ...] | None, tuple[int, ...], tuple[int | None, ...] | None
]:
    query_ids, query_cams, gallery_ids, gallery_cams, every_crop = identities
    if every_crop:
        cameras = _own_cameras(gallery_cams, all_own=protocol == "none")
        return query_ids, cameras[: len(query_ids)], gallery_ids, cameras
    if protocol == "none":
        return query_ids, None, gallery_ids, None
    return query_ids, query_cams, gallery_ids, gallery_cams


def _own_cameras(cameras: tuple[int | None, ...], *, all_own: bool) -> tuple[int, ...]:
    """A camera of its own for each image that has none, or for all.

    Every rule leaves the query's identity by the query's camera out of a ranking, so that with
    every crop as query each image leaves out itself.
    """
    first = min((camera for camera in cameras if camera is not None), default=0)
    return tuple(
        first - 1 - place if all_own or camera is None else camera
        for place, camera in enumerate(cameras)
    )

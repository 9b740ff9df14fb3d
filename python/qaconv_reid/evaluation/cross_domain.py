"""One matcher within and across the domains of a data set.

Across domains the queries of one search the gallery of another, so the identities of both have to
bear the same numbers; two domains without a common identity are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qaconv_reid.data import ReidDataset
from qaconv_reid.evaluation.bootstrap import Interval, confidence_interval, interval_of_means
from qaconv_reid.evaluation.evaluator import score_blocks
from qaconv_reid.evaluation.protocols import Identities, Measures, measure
from qaconv_reid.evaluation.ranking import Ranking
from qaconv_reid.models import Progress

__all__ = ["DomainMean", "DomainRanking", "domain_means", "domain_rankings"]


@dataclass(frozen=True, slots=True, eq=False)
class DomainRanking:
    """The queries of one domain in the gallery of one, which may be the same."""

    query: str
    gallery: str
    ranking: Ranking
    pids: tuple[int, ...]
    """``[queries]``."""

    @property
    def within(self) -> bool:
        """Whether both are of one domain."""
        return self.query == self.gallery

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, 0 to 1; intervals are of 95 %, over identities."""
        hits, precision = self.ranking.hits(1), self.ranking.average_precision
        return {
            "query": self.query,
            "gallery": self.gallery,
            "rank1": self.ranking.rank(1),
            "mAP": self.ranking.mAP,
            "queries": self.ranking.counted,
            "rank1_interval": list(confidence_interval(hits, self.pids)),
            "mAP_interval": list(confidence_interval(precision, self.pids)),
        }


@dataclass(frozen=True, slots=True)
class DomainMean:
    """The mean over domains, or over pairs of domains."""

    rank1: float
    """0 to 1."""
    rank1_interval: Interval
    """95 %, by the bootstrap over identities."""
    mAP: float
    """0 to 1."""
    mAP_interval: Interval


def domain_rankings(
    matcher: nn.Module,
    features: Mapping[str, tuple[Tensor, Tensor]],
    domains: Mapping[str, ReidDataset],
    *,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    what: str = "matching",
) -> Iterator[DomainRanking]:
    """Search the gallery of every domain for the queries of every domain.

    Args:
        matcher: of queries and gallery to scores ``[queries, gallery]``, on ``device``.
        features: of queries and of the gallery of each domain, by its name.
        domains: the data sets, by the same names.
        device: where the matcher runs.
        progress: told after every pair of domains.
        what: the name that ``progress`` is given.

    Yields:
        The rankings by Market-1501's protocol. A camera of one domain is none of another's.
    """
    pairs = [(query, gallery) for query in domains for gallery in domains]
    for done, (query, gallery) in enumerate(pairs, 1):
        identities = _identities(domains[query], domains[gallery])
        if identities is not None:
            blocks = score_blocks(matcher, features[query][0], features[gallery][1], device=device)
            # Nothing is left out of the ranking of a query from elsewhere.
            measures = Measures("market" if query == gallery else "none")
            ranking = measure(measures, blocks, identities)
            yield DomainRanking(query, gallery, ranking, identities.query_ids)
        if progress is not None:
            progress(what, done, len(pairs))


def domain_means(rankings: Sequence[DomainRanking]) -> DomainMean:
    """The mean of the means of several, at least one.

    Raises:
        ValueError: there is none.
    """
    hits = [(r.ranking.hits(1), r.pids) for r in rankings]
    precisions = [(r.ranking.average_precision, r.pids) for r in rankings]
    return DomainMean(
        rank1_interval=interval_of_means(hits),
        mAP_interval=interval_of_means(precisions),
        rank1=sum(r.ranking.rank(1) for r in rankings) / len(rankings),
        mAP=sum(r.ranking.mAP for r in rankings) / len(rankings),
    )


def _identities(query: ReidDataset, gallery: ReidDataset) -> Identities | None:
    """Of the queries of one and the gallery of another, None if they have nobody in common."""
    if query is gallery:
        return Identities.of(query)
    probes, candidates = query.query, gallery.gallery
    if not {record.person for record in probes} & {record.person for record in candidates}:
        return None
    return Identities(
        tuple(record.person for record in probes),
        tuple(record.camera for record in probes),
        tuple(record.person for record in candidates),
        tuple(record.camera for record in candidates),
    )

"""What an evaluation found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from qaconv_reid.evaluation.bootstrap import Interval, confidence_interval
from qaconv_reid.evaluation.labels import Pids
from qaconv_reid.evaluation.ranking import Ranking

__all__ = ["EvaluationResult", "Measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A ranking with the confidence of its measures."""

    name: str
    """How the scores were made: ``plain``, ``TLift``, ``re-ranked``, ``re-ranked + TLift``."""
    ranking: Ranking
    rank1_interval: Interval
    """95 %, by the bootstrap over identities."""
    mAP_interval: Interval

    @classmethod
    def of(cls, name: str, ranking: Ranking, pids: Pids) -> Measured:
        """With intervals over the identities of the queries, ``pids [queries]``."""
        return cls(
            name,
            ranking,
            confidence_interval(ranking.hits(1), pids),
            confidence_interval(ranking.average_precision, pids),
        )

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, for a log."""
        return {
            "rank1": self.ranking.rank(1),
            "rank5": self.ranking.rank(5),
            "rank10": self.ranking.rank(10),
            "mAP": self.ranking.mAP,
            "mINP": self.ranking.mINP,
            "rank1_interval": list(self.rank1_interval),
            "mAP_interval": list(self.mAP_interval),
        }


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """How well a data set's queries found their identities in its gallery."""

    dataset: str
    measured: tuple[Measured, ...]
    """The plain ranking first, then those that were asked for beside it."""
    gallery: int
    """Images in the gallery."""
    feature_seconds: float
    """Time for reading the images and mapping them."""
    matching_seconds: float
    """Time for matching every pair and ranking."""
    protocol: str = "market"
    every_crop: bool = False
    """Whether every image was searched in all others."""
    variant: str = "plain"
    """Of the images, as `qaconv_reid.data.variant_name` calls it."""
    area: str = "plain"
    """How average precision was summed up."""
    root: Path | None = None
    """Where the data set lies: what tells two of one name apart."""
    notes: tuple[str, ...] = field(default=())
    """What a reader of the numbers has to know of how they came about."""

    def with_note(self, note: str | None) -> EvaluationResult:
        """The same with a note more, if there is one."""
        return self if note is None else replace(self, notes=(*self.notes, note))

    @property
    def ranking(self) -> Ranking:
        """That of the plain scores."""
        return self.measured[0].ranking

    @property
    def rank1(self) -> float:
        """Share of counted queries whose first is a match, 0 to 1."""
        return self.ranking.rank(1)

    @property
    def rank5(self) -> float:
        """Share of counted queries with a match among the first 5, 0 to 1."""
        return self.ranking.rank(5)

    @property
    def rank10(self) -> float:
        """Share of counted queries with a match among the first 10, 0 to 1."""
        return self.ranking.rank(10)

    @property
    def mAP(self) -> float:
        """Mean average precision, 0 to 1."""
        return self.ranking.mAP

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty, 0 to 1."""
        return self.ranking.mINP

    def as_dict(self) -> dict[str, object]:
        """The numbers as plain values, for a log."""
        plain, *others = self.measured
        beside = {other.name: other.as_dict() for other in others}
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "every_crop": self.every_crop,
            "variant": self.variant,
            "area": self.area,
            **plain.as_dict(),
            **({"refined": beside} if beside else {}),
            "queries": self.ranking.queries,
            "queries_counted": self.ranking.counted,
            "gallery": self.gallery,
            "feature_seconds": self.feature_seconds,
            "matching_seconds": self.matching_seconds,
            "notes": list(self.notes),
        }

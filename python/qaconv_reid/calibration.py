"""Is it the same person? Probabilities and thresholds from scores, fitted on labeled pairs.

The probability is Platt's (*Probabilistic Outputs for Support Vector Machines*, 1999): a sigmoid of
an affine map of the score, fitted by Newton's method, his smoothed targets keeping it finite where
the pairs are told apart without an error. Pairs of the same and of different identities weigh
alike in all, whatever their numbers, so a probability is at even odds; `Calibration.probability`
takes other odds. Thresholds are order statistics of the scores of pairs of different identities.

Scores of two cameras may lie elsewhere than those of two others. Where enough identities have been
seen by both, they have log odds moved from those of all, and thresholds of their own.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qaconv_reid.files import replaced

__all__ = ["CALIBRATION_FILE", "Calibration", "CalibrationError", "Cameras", "sigmoid"]

#: Its name within the folder of a run or of a saved matcher.
CALIBRATION_FILE = "calibration.json"

_FORMAT = 1
#: Thresholds that are kept, evenly spaced in the logarithm of the rate.
_POINTS = 512
#: Identities that two cameras have both seen, and pairs of different ones between them, from which
#: on the two have a calibration of their own.
_ENOUGH = 10, 1000
#: How far, in log odds, two cameras are expected to lie from all: few identities move them less. An
#: own slope, and an own offset without this, were worse than those of all on identities that they
#: were not fitted on.
_SPREAD = 0.6
_STEPS = 100

Floats = NDArray[np.float64]
Cameras = tuple[ArrayLike, ArrayLike]
"""Of either image of a pair, whole numbers; -1 is a camera that is not known."""


class CalibrationError(ValueError):
    """The pairs cannot be used, or a file is no calibration; the message says why."""


def sigmoid(x: ArrayLike) -> Floats:
    """``1 / (1 + exp(-x))`` in float64, without overflow."""
    x = np.asarray(x, np.float64)
    small = np.exp(-np.abs(x))
    result: Floats = np.where(x >= 0, 1.0, small) / (1 + small)
    return result


@dataclass(frozen=True, slots=True)
class Calibration:
    """What scores of one matcher mean, as fitted on labeled pairs."""

    slope: float
    offset: float
    """The log odds of a score, at even odds, are ``slope * score + offset``."""
    rates: tuple[float, ...]
    """Shares of the pairs of different identities, ascending."""
    thresholds: tuple[float, ...]
    """For each rate: no greater share of those pairs reached this score."""
    same: int
    """Pairs of one identity it was fitted on."""
    different: int
    """Pairs of different identities it was fitted on."""
    model: str | None = None
    """Checksum of the weights that made the scores."""
    cameras: Mapping[tuple[int, int], Calibration] = field(default_factory=dict)
    """Those of two cameras, the lower number first."""

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        same: ArrayLike,
        *,
        model: str | None = None,
        cameras: Cameras | None = None,
        identities: ArrayLike | None = None,
    ) -> Self:
        """Fit on pairs.

        Args:
            scores: any shape, finite; higher for more alike.
            same: of that shape, True where both are of one identity.
            model: checksum of the weights that made the scores.
            cameras: of the first and of the second image of every pair, each of a shape that
                broadcasts to that of ``scores``: two cameras with enough identities in common get
                their own.
            identities: beside ``cameras``, of the first image of every pair, whole numbers.

        Raises:
            CalibrationError: shapes differ, a score is not finite, there are fewer than two pairs
                of a kind, or the scores of one identity are not the higher ones on the whole.
        """
        x, y = np.asarray(scores, np.float64).ravel(), np.asarray(same).ravel()
        if np.shape(scores) != np.shape(same) or y.dtype != np.bool_:
            raise CalibrationError(
                f"same: got {y.dtype} of shape {list(np.shape(same))}, wanted bool of the shape of "
                f"scores, {list(np.shape(scores))}"
            )
        if not np.isfinite(x).all():
            raise CalibrationError("scores: got some that are not finite, wanted numbers")
        counts = int(y.sum()), int((~y).sum())
        if min(counts) < 2:
            raise CalibrationError(
                f"same: got {counts[0]} pairs of one identity and {counts[1]} of different ones, "
                "wanted at least 2 of each"
            )
        slope, offset = _platt(x, y, *counts)
        if slope <= 0:
            raise CalibrationError(
                "scores: got pairs of one identity that score no higher than those of different "
                "ones, wanted a matcher that tells them apart"
            )
        found = cls(slope, offset, *_thresholds(x[~y]), *counts, model)
        if cameras is None:
            return found
        if identities is None:
            raise CalibrationError("identities: got None, wanted those of the pairs of cameras")
        own = {}
        alike, who = np.asarray(same), np.broadcast_to(np.asarray(identities), np.shape(scores))
        for pair, kept in _camera_pairs(cameras, np.shape(scores)):
            counts = len(np.unique(who[kept & alike])), int((kept & ~alike).sum())
            if counts[0] < _ENOUGH[0] or counts[1] < _ENOUGH[1]:
                continue
            part, these = np.asarray(scores, np.float64)[kept], alike[kept]
            moved = offset + _shift(slope * part + offset, these, counts[0])
            own[pair] = cls(
                slope, moved, *_thresholds(part[~these]), int(these.sum()), int((~these).sum())
            )
        return replace(found, cameras=own)

    def of_cameras(self, first: int | None, second: int | None) -> Calibration:
        """That of two cameras; this one, where they have none of their own."""
        if first is None or second is None:
            return self
        return self.cameras.get((min(first, second), max(first, second)), self)

    def probability(
        self, scores: ArrayLike, *, prior: float = 0.5, cameras: Cameras | None = None
    ) -> Floats:
        """Of being one identity, of each score; any shape, float64.

        Args:
            scores: of the matcher it was fitted for.
            prior: the share of pairs that are of one identity where it is used; a search in a
                gallery of a thousand strangers has a small one.
            cameras: as for `fit`; None takes the calibration of all.

        Raises:
            CalibrationError: ``prior`` is not between 0 and 1.
        """
        if not 0 < prior < 1:
            raise CalibrationError(f"prior: got {prior}, wanted between 0 and 1")
        odds = math.log(prior / (1 - prior))
        x = np.asarray(scores, np.float64)
        logits = np.asarray(self.slope * x + self.offset)
        if cameras is not None and self.cameras:
            for pair, kept in _camera_pairs(cameras, x.shape):
                own = self.cameras.get(pair, self)
                logits[kept] = own.slope * x[kept] + own.offset
        return sigmoid(logits + odds)

    def threshold_at(self, false_positive_rate: float) -> float:
        """The score from which on pairs are called the same, for a chosen rate of errors.

        Args:
            false_positive_rate: the share of pairs of different identities that may be called the
                same; of the pairs it was fitted on no more were.

        Raises:
            CalibrationError: the rate is above 1, or smaller than the fitted pairs can tell.
        """
        least = self.rates[0]
        if not least <= false_positive_rate <= 1:
            raise CalibrationError(
                f"false_positive_rate: got {false_positive_rate}, wanted {least:.2g} to 1: it was "
                f"fitted on {self.different} pairs of different identities"
            )
        return self.thresholds[int(np.searchsorted(self.rates, false_positive_rate, "right")) - 1]

    @property
    def digest(self) -> str:
        """Of all its numbers: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self._document()).encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write it as JSON; the file is replaced whole."""
        with replaced(path) as temporary:
            text = json.dumps({"format": _FORMAT, **self._document()}, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            CalibrationError: the file is not there, or is no calibration.
        """
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if document.pop("format") != _FORMAT:
                raise ValueError(f"not of format {_FORMAT}")
            return cls._of(document)
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            raise CalibrationError(f"{path}: cannot be read as a calibration: {error}") from None

    def _document(self) -> dict[str, Any]:
        """JSON has no pairs for keys."""
        own = [{"of": list(pair), **one._document()} for pair, one in self.cameras.items()]
        return {**asdict(replace(self, cameras={})), "cameras": own}

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Self:
        """What `_document` gave; files of before there were cameras have none."""
        document = dict(document)
        document.update({key: tuple(document[key]) for key in ("rates", "thresholds")})
        own = {}
        for entry in document.pop("cameras", []):
            first, second = entry["of"]
            own[first, second] = Calibration._of({k: v for k, v in entry.items() if k != "of"})
        return cls(**document, cameras=own)


def _thresholds(different: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Rates, and the scores that no greater share of pairs of different identities reaches."""
    ranks = np.unique(np.geomspace(1, len(different), _POINTS).astype(np.int64)) - 1
    # Just above the score of that rank, so many pairs and no more reach it.
    # In float32, as scores come: a comparison in that type must tell them apart too.
    reached = np.sort(different)[::-1][ranks].astype(np.float32)
    points = np.nextafter(reached, np.float32(np.inf))
    return tuple(((ranks + 1) / len(different)).tolist()), tuple(points.tolist())


def _shift(logits: Floats, same: NDArray[np.bool_], identities: int) -> float:
    """What is to be added to log odds: of greatest likelihood, drawn to 0 as by `_SPREAD`.

    Pairs of one identity are much alike, so they count as many as there are identities.
    """
    weight = identities * np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    shift = 0.0
    for _ in range(_STEPS):
        p = sigmoid(logits + shift)
        slope = float((weight * (p - same)).sum()) + shift / _SPREAD**2
        step = slope / (float((weight * p * (1 - p)).sum()) + 1 / _SPREAD**2)
        shift -= step
        if abs(step) < 1e-10:
            break
    return shift


def _camera_pairs(
    cameras: Cameras, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], NDArray[np.bool_]]]:
    """Every two known cameras there are, and which pairs of images are theirs."""
    sides = [np.broadcast_to(np.asarray(side, np.int64), shape) for side in cameras]
    low, high = np.minimum(*sides), np.maximum(*sides)
    for first, second in np.unique(np.stack([low.ravel(), high.ravel()]), axis=1).T.tolist():
        if first >= 0:
            yield (first, second), (low == first) & (high == second)


def _platt(x: Floats, y: NDArray[np.bool_], same: int, different: int) -> tuple[float, float]:
    """Slope and offset of greatest likelihood, both kinds of pairs weighing alike."""
    target = np.where(y, (same + 1) / (same + 2), 1 / (different + 2))
    weight = np.where(y, 0.5 / same, 0.5 / different)
    center, spread = float(weight @ x), float(np.sqrt(weight @ (x - weight @ x) ** 2)) or 1.0
    design = np.stack([(x - center) / spread, np.ones_like(x)])

    def loss(theta: Floats) -> float:
        z = theta @ design
        return float(weight @ (np.logaddexp(0, z) - target * z))

    theta = np.zeros(2)
    for _ in range(_STEPS):
        p = sigmoid(theta @ design)
        slope = design @ (weight * (p - target))
        curvature = (design * (weight * p * (1 - p))) @ design.T + 1e-12 * np.eye(2)
        step, length = np.linalg.solve(curvature, slope), 1.0
        while loss(theta - length * step) > loss(theta) and length > 1e-6:
            length /= 2
        theta = theta - length * step
        if np.abs(length * step).max() < 1e-10:
            break
    return float(theta[0] / spread), float(theta[1] - theta[0] * center / spread)

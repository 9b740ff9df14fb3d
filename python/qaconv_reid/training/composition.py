"""What the batches of an epoch are made of: what a sampler is judged by, beside what is learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.training.images import TrainingImages, numbered

__all__ = ["Composition", "CompositionReport"]


@dataclass(frozen=True, slots=True)
class CompositionReport:
    """Shares are of the pairs of images of different identities; NaN where it is not known."""

    same_camera_pairs: float
    """Share of them that one camera saw."""
    look_alike_pairs: float
    """Share of them whose identities are of one family of look-alikes (virtual people)."""
    effective_classes: float
    """The exponential of the entropy of how often each class was in a batch, by the classes that
    there are: 1 where all come equally often."""
    most_frequent_class: int
    """Batches that held the class which was in most."""


class Composition:
    """Counts, on the host: the numbers of a batch's images are known there.

    Args:
        images: what the batches are drawn from.
    """

    def __init__(self, images: TrainingImages) -> None:
        self._labels = np.asarray(images.labels, dtype=np.int64)
        self._cameras = np.asarray(images.cameras, dtype=np.int64)
        families = numbered(images.families or [None] * len(images.labels))
        self._families = np.asarray(families, dtype=np.int64)
        # Where it is known that nobody has look-alikes their share is 0; elsewhere it is not known.
        self._families_known = bool(images.families)
        self._classes = images.classes
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forget the epoch that is over."""
        self._pairs = self._same_camera = self._look_alike = 0
        self._drawn = np.zeros(self._classes, dtype=np.int64)

    def add(self, batch: Sequence[int]) -> None:
        """Count a batch, given by the numbers of its images."""
        index = np.asarray(batch)
        labels = self._labels[index]
        others = np.triu(labels[:, None] != labels[None, :])
        self._pairs += int(others.sum())
        self._same_camera += _alike(self._cameras[index], others)
        self._look_alike += _alike(self._families[index], others)
        self._drawn[np.unique(labels)] += 1

    def report(self) -> CompositionReport:
        """Of the epoch so far."""
        drawn = self._drawn[self._drawn > 0] / max(self._drawn.sum(), 1)
        entropy = -float((drawn * np.log(drawn)).sum())
        return CompositionReport(
            same_camera_pairs=self._share(self._same_camera, bool((self._cameras >= 0).any())),
            look_alike_pairs=self._share(self._look_alike, self._families_known),
            effective_classes=math.exp(entropy) / self._classes if len(drawn) else math.nan,
            most_frequent_class=int(self._drawn.max(initial=0)),
        )

    def _share(self, count: int, known: bool) -> float:
        return count / self._pairs if self._pairs and known else math.nan

    def state_dict(self) -> dict[str, Any]:
        """The counts, in JSON's types."""
        return {
            "pairs": self._pairs,
            "same_camera": self._same_camera,
            "look_alike": self._look_alike,
            "drawn": self._drawn.tolist(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the giver of ``state`` stood."""
        self._pairs, self._same_camera = state["pairs"], state["same_camera"]
        self._look_alike = state["look_alike"]
        self._drawn = np.asarray(state["drawn"], dtype=np.int64)


def _alike(values: NDArray[np.int64], pairs: NDArray[np.bool_]) -> int:
    """How many of the pairs have one value, which is known."""
    return int((pairs & (values[:, None] == values[None, :]) & (values >= 0)[:, None]).sum())

"""``qaconv data probe``: will a run work on cameras of one's own? From crops without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from qaconv_reid import matcher
from qaconv_reid.config import ConfigError
from qaconv_reid.data import Crop, DataError
from qaconv_reid.evaluation import agreements, domain_distance
from qaconv_reid.gallery import Row, list_rows
from qaconv_reid.models import Progress
from qaconv_reid.recipes.datasets import training_records
from qaconv_reid.recipes.runs import settings_of_run
from qaconv_reid.reports import ProgressBars, say

__all__ = ["ADVICE", "Probe", "probe", "sample"]

#: From which agreement on what is advised; the limits are those of the study in docs/search.md.
ADVICE = (
    (0.55, "likely to find people again on these cameras"),
    (0.40, "likely to find many of them, and to be wrong often: look at answers before you rely"),
    (0.00, "not likely to work on these cameras: train on more like them, or calibrate and look"),
)
#: Training images that the distance is measured from.
_TRAINING = 300
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found."""

    images: int
    cameras: int
    agreement: float
    """Mean of `qaconv_reid.evaluation.agreements`."""
    twins: int
    """Images whose camera has another one, which it is the mean of."""
    distance: float | None
    """`qaconv_reid.evaluation.domain_distance` to the training images; None where they are not
    known or not there."""

    @property
    def advice(self) -> str:
        """In a sentence."""
        return next(text for least, text in ADVICE if self.agreement >= least)


def probe(source: str, run: str, *, images: int, device: str, console: Console) -> Probe:
    """Match crops with each other, and tell how far their matches agree.

    Args:
        source: a folder or a CSV of crops, as what is added to a gallery; labels are not used.
        run: as `qaconv_reid.load` takes it.
        images: at most so many are taken, of each camera those in the middle of the list.
        device: where the network runs.
        console: for what is told.

    Raises:
        ConfigError, CheckpointError, GalleryError, DataError: what cannot be used.
    """
    if images < 2:
        raise ConfigError(f"--images: got {images}, wanted at least 2")
    rows = sample(list_rows(source), images)
    found = Counter(row.camera for row in rows)
    if len(found) < 2 or max(found.values()) < 2:
        raise DataError(
            f"{source}: got {len(rows)} images of {len(found)} known cameras, wanted several of "
            "two cameras or more: names that begin as 0000_c1, or a CSV with the column camera"
        )
    loaded = matcher.load(run, device=device)
    with ProgressBars() as progress:
        maps = loaded.features(
            [Crop(Path(row.path), row.box) for row in rows], batch_size=_BATCH, progress=progress
        )
        scores = loaded.match(maps, maps, progress=progress).scores.numpy()
        there = _training(run, loaded, progress)
    cameras = np.array([row.camera for row in rows], np.int64)
    shares = agreements(scores, cameras)
    result = Probe(
        images=len(rows),
        cameras=len(found),
        agreement=float(shares.mean()),
        twins=len(shares),
        distance=None if there is None else domain_distance(_means(maps), there),
    )
    say(console, *_told(result))
    return result


def _told(result: Probe) -> list[str]:
    lines = [
        f"{result.images:,} images of {result.cameras} cameras",
        f"agreement {result.agreement:.2f}: an image and its best match by its own camera find the "
        "same images of other cameras to that share",
    ]
    if result.distance is None:
        lines.append("distance to the training images not known: they are not there")
    else:
        lines.append(
            f"distance to the training images {result.distance:.2f} of their own spread, which "
            "alone says little"
        )
    return [*lines, f"{result.advice} (an estimate without labels: docs/search.md tells its error)"]


def sample(rows: Sequence[Row], most: int) -> list[Row]:
    """Of each camera the same part of the middle: what lies beside an image there stays beside it.

    In order of time where it is known, else of path. Rows without a camera are left out.
    """
    known = [row for row in rows if row.camera is not None]
    share = min(1.0, most / max(1, len(known)))
    chosen: list[Row] = []
    for camera in sorted({row.camera for row in known if row.camera is not None}):
        own = [row for row in known if row.camera == camera]
        own.sort(key=lambda row: (0.0 if row.time is None else row.time, row.path))
        count = max(2, int(share * len(own)))
        start = max(0, (len(own) - count) // 2)
        chosen += own[start : start + count]
    return chosen


def _training(run: str, loaded: matcher.Matcher, progress: Progress) -> NDArray[np.floating] | None:
    """Mean features of training images; None where they are not known or not there."""
    settings = settings_of_run(run)
    if settings is None:
        return None
    records = training_records(settings.data, all_or_none=True)
    if len(records) < 2:
        return None
    chosen = np.unique(np.linspace(0, len(records) - 1, _TRAINING).astype(int))
    paths = [records[place].path for place in chosen]
    return _means(loaded.features(paths, batch_size=_BATCH, progress=progress))


def _means(maps: Tensor) -> NDArray[np.floating]:
    means: NDArray[np.floating] = maps.float().mean((2, 3)).numpy()
    return means

"""``qaconv calibrate``: what a run's scores mean, fitted on labeled images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from qaconv_reid import matcher
from qaconv_reid.calibration import Calibration
from qaconv_reid.data import DataError, Record
from qaconv_reid.files import why
from qaconv_reid.recipes.datasets import load_test_sets
from qaconv_reid.recipes.runs import settings_of_run
from qaconv_reid.reports import ProgressBars, say

__all__ = ["calibrate"]

Integers = NDArray[np.int64]

_RATES = (0.1, 0.01, 0.001, 0.0001)


def calibrate(
    run: str, specs: Sequence[str], *, by_camera: bool = False, device: str, console: Console
) -> Calibration:
    """Fit probabilities on the queries and galleries of data sets, and keep them with the run.

    Pairs of one identity by one camera are left out, as in the measures: they are too easy.

    Args:
        run: as `qaconv_reid.load` takes it; the calibration is kept in its folder.
        specs: data sets, ``PATH`` or ``LAYOUT:PATH``, of identities that were not trained on.
        by_camera: a calibration of their own for two cameras with enough identities; the
            numbers of cameras have to be those of where it is used.
        device: where the network runs.
        console: for the thresholds.

    Raises:
        ConfigError, CheckpointError, CalibrationError, DataError: what cannot be used.
    """
    if by_camera and len(specs) > 1:
        raise DataError(
            f"--by-camera: got {len(specs)} data sets, wanted one, for a camera's number means "
            "another camera in each"
        )
    loaded = matcher.load(run, device=device)
    settings = settings_of_run(run)
    reading = None if settings is None else settings.data
    sets = load_test_sets(specs, settings=reading, named="--data")
    scores: list[NDArray[np.float32]] = []
    same: list[NDArray[np.bool_]] = []
    # Of every pair: both cameras, and the identity of the first image.
    facts: tuple[list[Integers], list[Integers], list[Integers]] = [], [], []
    with ProgressBars() as progress:
        for dataset in sets:
            maps = [
                loaded.features([record.path for record in part], progress=progress)
                for part in (dataset.query, dataset.gallery)
            ]
            kept, alike = _pairs(dataset.query, dataset.gallery)
            scores.append(loaded.match(*maps, progress=progress).scores.numpy()[kept])
            same.append(alike[kept])
            sides = np.broadcast_arrays(
                _cameras(dataset.query)[:, None],
                _cameras(dataset.gallery),
                np.array([record.person for record in dataset.query])[:, None],
            )
            for known, side in zip(facts, sides, strict=True):
                known.append(side[kept])
    first, second, pids = (np.concatenate(known) for known in facts)
    failure = None
    try:
        loaded.calibrate(
            np.concatenate(scores),
            np.concatenate(same),
            cameras=(first, second) if by_camera else None,
            identities=pids if by_camera else None,
        )
    except OSError as error:  # of the file: what was fitted is said all the same
        failure = error
    fitted = loaded.calibration
    assert fitted is not None
    counts = f"{fitted.same:,} pairs of one identity and {fitted.different:,} of different ones"
    lines = [f"fitted on {counts}"]
    if by_camera:
        own = ", ".join(f"{first} and {second}" for first, second in fitted.cameras) or "none"
        lines.append(f"of their own, with enough identities: cameras {own}")
    lines += [
        f"of different ones {rate:.2%} score {fitted.threshold_at(rate):.3f} or more"
        for rate in _RATES
        if rate >= fitted.rates[0]
    ]
    say(console, *lines)
    if failure is not None:
        raise OSError(f"{run}: the calibration cannot be written: {why(failure)}") from None
    return fitted


def _pairs(
    query: Sequence[Record], gallery: Sequence[Record]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs count, and which are of one identity, ``[Q, G]``."""
    pids = [np.array([record.person for record in side]) for side in (query, gallery)]
    cameras = [_cameras(side) for side in (query, gallery)]
    alike = pids[0][:, None] == pids[1]
    # A camera that is not known is that of no other image.
    together = (cameras[0][:, None] == cameras[1]) & (cameras[1] >= 0)
    return ~(alike & together), alike


def _cameras(records: Sequence[Record]) -> Integers:
    return np.array([-1 if record.camera is None else record.camera for record in records])

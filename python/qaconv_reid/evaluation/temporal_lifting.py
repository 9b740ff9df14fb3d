"""Temporal lifting (TLift): who walked by together once will do so again.

Liao & Shao, *Interpretable and Generalizable Person Re-Identification with Query-Adaptive
Convolution and Temporal Lifting*, ECCV 2020, section 4. For a query and a gallery camera: the
queries of the same camera within ``tau`` seconds, itself among them, are its companions; the best
matches of all of them in that gallery camera are the pivots; a gallery image counts by how near in
time it is to the pivots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.labels import Cameras
from qaconv_reid.evaluation.sparse_rows import SparseRows

__all__ = ["TemporalLifting", "Times", "temporal_lifting"]

Times = Sequence[float | None] | NDArray[Any] | Tensor
Matrix = TypeVar("Matrix", Tensor, NDArray[Any])

#: Numbers that are worked on together: what bounds the memory beside the result.
_CELLS_AT_ONCE = 1 << 21

#: exp of this counts for nothing; what lies below it takes processors ten times as long.
_NOTHING = -80.0


@dataclass(frozen=True, slots=True)
class _Settings:
    tau: float
    sigma: float
    neighbors: int
    alpha: float

    def __post_init__(self) -> None:
        for name, value in (("tau", self.tau), ("sigma", self.sigma)):
            if not value > 0:
                raise ValueError(f"{name}: got {value}, wanted more than 0 seconds")
        if not isinstance(self.neighbors, int) or self.neighbors < 1:
            raise ValueError(f"neighbors: got {self.neighbors!r}, wanted a whole number from 1")
        if not self.alpha >= 0:
            raise ValueError(f"alpha: got {self.alpha}, wanted at least 0")


class _Side:
    """Cameras and times of queries or gallery; what lacks either takes no part."""

    def __init__(self, side: str, cameras: Cameras, times: Times, device: torch.device) -> None:
        listed = times.tolist() if isinstance(times, Tensor | np.ndarray) else list(times)
        clock = [math.nan if time is None else float(time) for time in listed]
        self.times = torch.tensor(clock, dtype=torch.float64, device=device)
        if isinstance(cameras, Tensor | np.ndarray):
            cameras = cameras.tolist()
        where = [None] * len(clock) if cameras is None else list(cameras)
        if len(where) != len(clock):
            raise ValueError(
                f"{side}_times: got {len(clock)} for {len(where)} {side}_cameras, wanted as many"
            )
        if bool(torch.isinf(self.times).any()):
            raise ValueError(f"{side}_times: got infinity, wanted seconds")
        members: dict[int, list[int]] = {}
        for image, (camera, time) in enumerate(zip(where, clock, strict=True)):
            if camera is not None and not math.isnan(time):
                members.setdefault(int(camera), []).append(image)
        self.of_camera = {
            camera: torch.tensor(images, device=device) for camera, images in members.items()
        }
        """Numbers ``[n]`` of the images of each camera that has any with a time."""

    def __len__(self) -> int:
        return len(self.times)


class TemporalLifting:
    """TLift of scores that come a block of queries at a time, twice.

    First every block is given to `note`, in order; then `block` lifts any. What is held between is
    of the size of queries × gallery cameras × neighbors.

    Args:
        query_cameras: ``[Q]``, None where not known.
        gallery_cameras: ``[G]``, as ``query_cameras``.
        query_times: ``[Q]``, seconds on the clock of the camera; None or NaN where not known.
        gallery_times: ``[G]``, as ``query_times``.
        tau: seconds within which queries of a camera are companions.
        sigma: seconds in which the likeness in time falls to 1/e.
        neighbors: best matches that are pivots; more where scores are equal.
        alpha: added to the likeness in time.
        device: of the scores.
    """

    def __init__(
        self,
        query_cameras: Cameras,
        gallery_cameras: Cameras,
        query_times: Times,
        gallery_times: Times,
        *,
        tau: float = 100,
        sigma: float = 200,
        neighbors: int = 10,
        alpha: float = 0.2,
        device: str | torch.device = "cpu",
    ) -> None:
        self._settings = _Settings(tau, sigma, neighbors, alpha)
        device = torch.device(device)
        self._query = _Side("query", query_cameras, query_times, device)
        self._gallery = _Side("gallery", gallery_cameras, gallery_times, device)
        # Of each gallery camera, block by block: counts, columns and values.
        self._best: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {
            camera: [] for camera in self._gallery.of_camera
        }
        self._pivots: dict[int, SparseRows] | None = None
        self._noted = 0

    def note(self, scores: Tensor) -> None:
        """Take notice of the scores ``[b, G]`` of the next queries."""
        _check(scores, len(self._gallery))
        self._noted += len(scores)
        for camera, images in self._gallery.of_camera.items():
            own = scores[:, images]
            k = min(self._settings.neighbors, len(images))
            # All that equal the last of the best: which of them are pivots is not to depend on
            # their order.
            best = own >= own.topk(k, dim=1).values[:, -1:]
            self._best[camera].append((best.sum(dim=1), best.nonzero()[:, 1], own[best]))

    def block(self, first: int, scores: Tensor) -> Tensor:
        """Lifted scores ``[b, G]``, of the type of ``scores``, of the queries from ``first`` on."""
        _check(scores, len(self._gallery))
        if self._pivots is None:
            self._pivots = self._find_pivots()
        rows = torch.arange(first, first + len(scores), device=scores.device)
        weight = torch.zeros_like(scores)
        for camera, images in self._gallery.of_camera.items():
            weight[:, images] = self._weights(
                self._pivots[camera], rows, self._gallery.times[images], scores.dtype
            )
        return (weight + self._settings.alpha) * scores

    def _weights(
        self, pivots: SparseRows, rows: Tensor, times: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """How near in time the images are to the pivots of each row, 0 to 1, ``[rows, images]``."""
        counts = pivots.ends[rows + 1] - pivots.ends[rows]
        row, entry = pivots.entries(rows)
        place = entry - pivots.ends[rows][row]
        # Rows with fewer pivots than the most are filled up with some infinitely far off.
        when = times.new_full((len(rows), int(counts.max()) if len(rows) else 0), torch.inf)
        when[row, place] = times[pivots.columns[entry].long()]
        total = torch.zeros((len(rows), len(times)), dtype=dtype, device=times.device)
        for moment in when.T:
            # Clocks run far: their difference is taken before it may be narrowed.
            gap = (times - moment[:, None]).to(dtype)
            exponent = gap.div_(self._settings.sigma).square_().neg_()
            total += exponent.clamp_(min=_NOTHING).exp_()
        return total / counts.clamp(min=1)[:, None]

    def _find_pivots(self) -> dict[int, SparseRows]:
        if self._noted != len(self._query):
            raise ValueError(
                f"scores: got {self._noted} rows, wanted one for each of {len(self._query)} queries"
            )
        companions = [
            (members, *self._windows(self._query.times[members]))
            for members in (
                own[self._query.times[own].argsort(stable=True)]
                for own in self._query.of_camera.values()
            )
        ]
        pivots = {}
        for camera, blocks in self._best.items():
            counts, columns, values = (list(parts) for parts in zip(*blocks, strict=True))
            best = SparseRows.join(counts, columns, values, len(self._gallery.of_camera[camera]))
            found = [self._pivots_of(best, *of_camera) for of_camera in companions]
            pivots[camera] = _by_query(found, best)
        self._best = {}
        return pivots

    def _windows(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """From where to where, in ascending times, the companions of each stand."""
        step = max(1, _CELLS_AT_ONCE // max(len(times), 1))
        starts, stops = [], []
        for start in range(0, len(times), step):
            # The differences themselves are compared: a time less tau would be rounded otherwise.
            gap = times - times[start : start + step, None]
            starts.append((gap <= -self._settings.tau).sum(dim=1))
            stops.append((gap < self._settings.tau).sum(dim=1))
        return torch.cat(starts), torch.cat(stops)

    def _pivots_of(
        self, best: SparseRows, members: Tensor, starts: Tensor, stops: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The query and the column of every pivot of the queries of one camera."""
        owner, entry = best.entries(members)
        ends = torch.cat((owner.new_zeros(1), torch.bincount(owner, minlength=len(members))))
        ends = ends.cumsum(0)
        begin, end = ends[starts], ends[stops]
        step = max(1, _CELLS_AT_ONCE // max(int((end - begin).max()), 1))
        queries, columns = [], []
        for start in range(0, len(members), step):
            rows = slice(start, start + step)
            longest = max(int((end[rows] - begin[rows]).max()), 1)
            place = begin[rows, None] + torch.arange(longest, device=begin.device)
            real = place < end[rows, None]
            at = entry[place.clamp(max=max(len(entry) - 1, 0))] if len(entry) else place
            values = torch.where(real, best.values[at] if len(entry) else 0.0, -torch.inf)
            k = min(self._settings.neighbors, longest)
            chosen = real & (values >= values.topk(k, dim=1).values[:, -1:])
            queries.append(members[rows].repeat_interleave(chosen.sum(dim=1)))
            columns.append(best.columns[at[chosen]])
        return torch.cat(queries), torch.cat(columns)


def temporal_lifting(
    scores: Matrix,
    query_cameras: Cameras,
    gallery_cameras: Cameras,
    query_times: Times,
    gallery_times: Times,
    *,
    tau: float = 100,
    sigma: float = 200,
    neighbors: int = 10,
    alpha: float = 0.2,
) -> Matrix:
    """Lift scores by who was seen at the same time.

    For query i of camera a and gallery image j of camera b: the ``neighbors`` best of all scores
    that the queries of a within ``tau`` of i have in b are the pivots, i's own among them, and
    those that equal the last of these too; a gallery image is a pivot once for every such score.
    Then ``(mean over the pivots of exp(-(t_j - t_pivot)² / sigma²) + alpha) · score``. The cameras
    a and b may be the same one. Where a camera or a time is not known, or there is no pivot, the
    mean is 0, which leaves the order within such a row as it was.

    Args:
        scores: ``[Q, G]`` float32 or float64, tensor or numpy array, higher for more alike; meant
            to be from 0 to 1, few of them high: sigmoids, or 1 - re-ranked distances.
        query_cameras: ``[Q]``, None where not known; or None when no camera is.
        gallery_cameras: ``[G]``, as ``query_cameras``.
        query_times: ``[Q]``, seconds on the clock of the camera; None or NaN where not known.
        gallery_times: ``[G]``, as ``query_times``.
        tau: seconds.
        sigma: seconds.
        neighbors: the paper's K.
        alpha: the paper's regulariser.

    Returns:
        ``[Q, G]``, of the kind, the type and on the device of ``scores``.

    Raises:
        ValueError: a shape or a number is not one of the above, or a score is NaN.
    """
    matrix = torch.as_tensor(scores)
    lifting = TemporalLifting(
        query_cameras,
        gallery_cameras,
        query_times,
        gallery_times,
        tau=tau,
        sigma=sigma,
        neighbors=neighbors,
        alpha=alpha,
        device=matrix.device,
    )
    _check(matrix, len(lifting._gallery))
    step = max(1, _CELLS_AT_ONCE // max(matrix.shape[1], 1))
    starts = range(0, len(matrix), step)
    for start in starts:
        lifting.note(matrix[start : start + step])
    result = torch.empty_like(matrix)
    for start in starts:
        result[start : start + step] = lifting.block(start, matrix[start : start + step])
    return result if isinstance(scores, Tensor) else result.numpy()


def _check(scores: Tensor, gallery: int) -> None:
    if scores.dim() != 2 or scores.shape[1] != gallery:
        raise ValueError(f"scores: got shape {list(scores.shape)}, wanted [queries, {gallery}]")
    if scores.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"scores: got {scores.dtype}, wanted float32 or float64")
    if bool(torch.isnan(scores).any()):
        raise ValueError("scores: got NaN, wanted numbers")


def _by_query(found: Sequence[tuple[Tensor, Tensor]], like: SparseRows) -> SparseRows:
    """Pivots in the order of all queries; the entries have a column only."""
    if not found:
        return SparseRows(like.ends * 0, like.columns[:0], like.values[:0], like.width)
    query, column = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = query.argsort(stable=True)
    counts = torch.bincount(query, minlength=len(like))
    return SparseRows.join([counts], [column[order]], [like.values[:0]], like.width)

"""Searches in Ray's workers, by shards of a table or parts of the queries: the extra ``cluster``.

A worker opens the table itself, so it must lie where all of them can read. Which worker takes which
rows or queries changes nothing in the result, for a pair's score has the same bits wherever it is
computed; what a worker that dies was doing is given to another one by Ray.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.gallery.opening import open_table
from qaconv_reid.gallery.search import Found, find, rescore_here
from qaconv_reid.gallery.table import GalleryError, Numbers, Table

__all__ = ["RayFind", "RayRescore", "find_part", "score_shard"]

#: A shard has at least so many rows, and there are at most so many shards for each core.
_ROWS = 512
_SHARDS = 4
_RETRIES = 5
#: Parts of queries that are asked for at a time, for each core: one is computed, one waits.
_AHEAD = 2

Shard = Callable[[str, NDArray[np.float16], Numbers], NDArray[np.float32]]
Part = Callable[[str, NDArray[np.float16], int, str | None, int | None], list[Found]]


class RayRescore:
    """A `Rescore` by Ray: in the cluster joined, that of ``RAY_ADDRESS``, or a local one.

    Args:
        shard: what a worker does.
    """

    def __init__(self, shard: Shard | None = None) -> None:
        _join()
        self._task = ray.remote(max_retries=_RETRIES)(shard or score_shard)

    def __call__(self, table: Table, queries: Tensor, numbers: Numbers) -> NDArray[np.float32]:
        """Scores ``[Q, N]``.

        Raises:
            GalleryError: the table lies in this process's memory, or a worker cannot read it.
        """
        _check(table)
        cores = _cores()
        shards = max(1, min(-(-len(numbers) // _ROWS), _SHARDS * cores))
        shared = ray.put(queries.numpy())
        tasks = [
            self._task.remote(table.place, shared, part) for part in np.array_split(numbers, shards)
        ]
        return np.concatenate(_results(table, tasks), axis=1)


class RayFind:
    """A `FindEach` by Ray: each part of the queries is searched by one worker.

    While workers search, the next parts are made here. A worker holds the vectors of the table.

    Args:
        part: what a worker does.
    """

    def __init__(self, part: Part | None = None) -> None:
        _join()
        self._task = ray.remote(max_retries=_RETRIES)(part or find_part)

    def __call__(
        self,
        table: Table,
        parts: Iterable[Tensor],
        k: int,
        *,
        where: str | None,
        length: int | None,
    ) -> Iterator[list[Found]]:
        """As `qaconv_reid.gallery.search.find_each`.

        Raises:
            GalleryError: the table lies in this process's memory, or a worker cannot use it.
        """
        _check(table)
        waiting: deque[Any] = deque()
        for queries in parts:
            if len(waiting) >= _AHEAD * _cores():
                yield from _results(table, [waiting.popleft()])
            waiting.append(self._task.remote(table.place, queries.numpy(), k, where, length))
        while waiting:
            yield from _results(table, [waiting.popleft()])


def score_shard(place: str, queries: NDArray[np.float16], numbers: Numbers) -> NDArray[np.float32]:
    """What a worker does: the scores of its rows, ``[Q, n]``."""
    table = _opened(place)
    table.refresh()
    return rescore_here(table, torch.from_numpy(queries.copy()), numbers)


def find_part(
    place: str, queries: NDArray[np.float16], k: int, where: str | None, length: int | None
) -> list[Found]:
    """What a worker does: the answers of its queries."""
    return find(_opened(place), torch.from_numpy(queries.copy()), k, where=where, length=length)


def _join() -> None:
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)


def _cores() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _check(table: Table) -> None:
    if not table.place.endswith(".lance"):
        raise GalleryError(
            f"engine: got ray for the {table.place}, wanted a table of Lance, which workers can "
            "open"
        )


def _results(table: Table, tasks: list[Any]) -> list[Any]:
    try:
        found: list[Any] = ray.get(tasks)
        return found
    except ray.exceptions.RayTaskError as error:
        reason = str(error.cause).partition("\n")[0]
        raise GalleryError(f"{table.place}: a worker of Ray failed: {reason}") from error


@lru_cache(maxsize=4)
def _opened(place: str) -> Table:
    return open_table(place)

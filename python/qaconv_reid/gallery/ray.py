"""Exact scores by shards of a table, in Ray's workers: the extra ``cluster``.

A worker opens the table itself, so it must lie where all of them can read. Which worker takes which
rows changes nothing in the result, for a pair's score has the same bits wherever it is computed; a
shard whose worker dies is given to another one by Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.gallery.opening import open_table
from qaconv_reid.gallery.search import rescore_here
from qaconv_reid.gallery.table import GalleryError, Numbers, Table

__all__ = ["RayRescore", "score_shard"]

#: A shard has at least so many rows, and there are at most so many shards for each core.
_ROWS = 512
_SHARDS = 4
_RETRIES = 5

Shard = Callable[[str, NDArray[np.float16], Numbers], NDArray[np.float32]]


class RayRescore:
    """A `Rescore` by Ray: in the cluster joined, that of ``RAY_ADDRESS``, or a local one.

    Args:
        shard: what a worker does.
    """

    def __init__(self, shard: Shard | None = None) -> None:
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False)
        self._task = ray.remote(max_retries=_RETRIES)(shard or score_shard)

    def __call__(self, table: Table, queries: Tensor, numbers: Numbers) -> NDArray[np.float32]:
        """Scores ``[Q, N]``.

        Raises:
            GalleryError: the table lies in this process's memory, or a worker cannot read it.
        """
        if not table.place.endswith(".lance"):
            raise GalleryError(
                f"engine: got ray for the {table.place}, wanted a table of Lance, which workers "
                "can open"
            )
        cores = int(ray.cluster_resources().get("CPU", 1))
        shards = max(1, min(-(-len(numbers) // _ROWS), _SHARDS * cores))
        shared = ray.put(queries.numpy())
        tasks = [
            self._task.remote(table.place, shared, part) for part in np.array_split(numbers, shards)
        ]
        try:
            return np.concatenate(ray.get(tasks), axis=1)
        except ray.exceptions.RayTaskError as error:
            reason = str(error.cause).partition("\n")[0]
            raise GalleryError(f"{table.place}: a worker of Ray failed: {reason}") from error


def score_shard(place: str, queries: NDArray[np.float16], numbers: Numbers) -> NDArray[np.float32]:
    """What a worker does: the scores of its rows, ``[Q, n]``."""
    table = _opened(place)
    table.refresh()
    return rescore_here(table, torch.from_numpy(queries.copy()), numbers)


@lru_cache(maxsize=4)
def _opened(place: str) -> Table:
    return open_table(place)

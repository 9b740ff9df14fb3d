"""One graph for all ranks of a distributed run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import distributed

from qaconv_ext import _checks
from qaconv_ext.graph.graph_sampler import Neighbors, class_numbers


def one_graph(neighbors: Neighbors, group: distributed.ProcessGroup | None = None) -> Neighbors:
    """``neighbors`` computed by rank 0 of the group and sent to the others.

    The ranks' shares of an epoch fit together only if every rank has the same graph. Equal weights
    are not enough for that: batch-norm statistics are local to a rank, and one tie that is broken
    in another way changes a batch. Without an initialized process group it is ``neighbors`` itself.

    Args:
        neighbors: as `GraphSampler` takes it; called on rank 0 of the group only.
        group: the process group; None for the default one.

    Returns:
        A callable for `GraphSampler` that must be called by all ranks of the group.
    """
    _checks.function("neighbors", neighbors, "a function of image numbers")

    def from_rank_zero(images: Sequence[int]) -> list[list[int]]:
        if not (distributed.is_available() and distributed.is_initialized()):
            return _rows(neighbors(images))
        # An error travels as well, as text: without it the other ranks would wait for rank 0 until
        # their time limit.
        message: list[list[list[int]] | str] = [""]
        failure: Exception | None = None
        if distributed.get_rank(group) == 0:
            try:
                message = [_rows(neighbors(images))]
            except Exception as error:
                failure = error
                message = [f"{type(error).__name__}: {error}"]
        distributed.broadcast_object_list(message, group_src=0, group=group)
        if failure is not None:
            raise failure
        if isinstance(message[0], str):
            raise RuntimeError(f"neighbors: failed on rank 0 with {message[0]}")
        return message[0]

    return from_rank_zero


def _rows(result: object) -> list[list[int]]:
    rows: list[list[int]] = class_numbers(result).tolist()
    return rows

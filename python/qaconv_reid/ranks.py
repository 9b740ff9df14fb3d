"""The processes of a distributed run, as torchrun starts them, and what each of them does.

``torch.distributed`` is the engine (gloo on CPUs, NCCL on CUDA). A batch is the same for any number
of processes; each computes the maps of its own part of the images, its own rows of the scores, and
with all scores the same loss.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakSet

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from qaconv_ext.qaconv import BatchShare

__all__ = ["Ranks", "joined"]


class Ranks:
    """This process among those of the run; one alone where nothing was started.

    Args:
        rank: of this process.
        size: number of processes.
        device: what the processes send each other has to lie there.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank = rank
        self.size = size
        self._device = device or torch.device("cpu")
        self._averaged: WeakSet[nn.Module] = WeakSet()

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def share(self, total: int) -> BatchShare | None:
        """This process's part of a batch; None where there is but one process."""
        return None if self.size == 1 else BatchShare(total)

    def averaged(self, network: nn.Module) -> nn.Module:
        """The network with the gradients of its weights averaged over the processes.

        With several processes it can be called until they part, and has nothing in it after that.
        """
        if self.size == 1:
            return network
        module = DistributedDataParallel(network)
        self._averaged.add(module)
        return module

    def part(self) -> None:
        """End the group and its threads, whoever still holds something that was made with it.

        The threads end with the last reference to the group. `destroy_process_group` gives up
        torch's own, but a `DistributedDataParallel` has some: in a cycle, or in the frames of an
        error, they last until the interpreter ends. A thread that is about to free a tensor asks
        for the interpreter then, which ends the thread in the middle of a destructor, and so the
        process: "terminate called without an active exception", on a busy machine, now and then.
        """
        for module in list(self._averaged):
            vars(module).clear()
        distributed.destroy_process_group()

    def mine(self, batches: Sequence[Sequence[int]]) -> list[Sequence[int]]:
        """The whole batches that fall to this process, dealt in turn."""
        return list(batches[self.rank :: self.size])

    def merged(
        self, own: Tensor | None, batches: Sequence[Sequence[int]], device: torch.device
    ) -> Tensor:
        """Rows of all processes, of which each computed its own batches, in the batches' order.

        Args:
            own: ``[rows, ...]`` of this process's batches, in their order; None where it has none.
            batches: all batches, as `mine` was given them; at least one.
            device: where the result is wanted.
        """
        if self.size == 1 and own is not None:
            return own
        # What a row is like is known to the first process, which has the first batch.
        like = [None if own is None else (own.shape[1:], own.dtype)]
        distributed.broadcast_object_list(like, src=0)
        assert like[0] is not None
        shape, dtype = like[0]
        rows: Tensor = torch.empty((sum(map(len, batches)), *shape), dtype=dtype, device=device)
        place = taken = 0
        for number, batch in enumerate(batches):
            part = torch.empty((len(batch), *shape), dtype=dtype, device=self._device)
            if own is not None and number % self.size == self.rank:
                part.copy_(own[taken : taken + len(batch)])
                taken += len(batch)
            rows[place : place + len(batch)] = self.sent(part, number % self.size)
            place += len(batch)
        return rows

    def sent(self, value: Tensor, source: int) -> Tensor:
        """What process ``source`` has in ``value``, which is as large on all of them."""
        if self.size == 1:
            return value
        there = value.to(self._device).contiguous()
        distributed.broadcast(there, src=source)
        return there.to(value.device)

    def agree(self, flag: bool) -> bool:
        """Whether it is so on any process."""
        if self.size == 1:
            return flag
        answers: list[object] = [None] * self.size
        distributed.all_gather_object(answers, flag)
        return any(answers)

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started, joined into a group for the time of a run.

    Args:
        device: where this one computes: CUDA joins them by NCCL.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks()
        return
    # The first DistributedDataParallel would import it; imported while there is a group, it keeps
    # references to the group for good (see `Ranks.part`).
    import torch._dynamo

    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size(), device)
    try:
        yield ranks
    finally:
        ranks.part()

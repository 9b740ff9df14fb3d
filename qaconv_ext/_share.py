"""A batch that several processes have divided among themselves, matched as one.

Every process holds a run of the batch's rows. What a process computes from its own rows is of two
kinds, and each has its own rule for the gradient:

* what all processes then use **differently** (the maps: each matches them with its own rows): its
  gradient is the sum over the processes (`BatchShare.gather`, `BatchShare.common`);
* what all processes then use **alike** (the scores, of which each computes the same loss): its
  gradient is known in full by each (`BatchShare.collect`).

So every process ends with the whole gradient of whatever is the same on all (the matcher), and
with that of its own rows. Second derivatives, tangents and transforms of `torch.func` are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable

from qaconv_ext import _checks

__all__ = ["BatchShare"]


class BatchShare:
    """This process's part of a batch of ``total`` rows: ``rows``, one run of them.

    The parts follow each other in the order of the ranks; the first ones are a row longer where the
    batch does not divide evenly.

    Args:
        total: rows of the batch.
        group: the processes; None for the default group.

    Raises:
        RuntimeError: there is no process group.
        ValueError: there are fewer rows than processes.
    """

    def __init__(self, total: int, group: distributed.ProcessGroup | None = None) -> None:
        if not (distributed.is_available() and distributed.is_initialized()):
            raise RuntimeError("group: got no process group, wanted torch.distributed initialized")
        self.group = group
        self.total = total = _checks.whole_number("total", total, 1)
        self.rank, world = distributed.get_rank(group), distributed.get_world_size(group)
        if total < world:
            raise ValueError(f"total: got {total} rows, wanted at least one for each of {world}")
        #: Rows of each process.
        self.sizes = [total // world + (rank < total % world) for rank in range(world)]
        start = sum(self.sizes[: self.rank])
        self.rows = slice(start, start + self.sizes[self.rank])

    def gather(self, part: Tensor) -> Tensor:
        """All processes' rows ``[total, ...]`` of their parts ``[rows, ...]``, used differently."""
        _only_gradients()
        gathered: Tensor = _Gather.apply(part, self, True)
        return gathered

    def collect(self, part: Tensor) -> Tensor:
        """All processes' rows ``[total, ...]`` of their parts ``[rows, ...]``, used alike."""
        _only_gradients()
        collected: Tensor = _Gather.apply(part, self, False)
        return collected

    def common(self, parameter: Tensor) -> Tensor:
        """A tensor that is the same on all processes, where they use it differently."""
        _only_gradients()
        same: Tensor = _Common.apply(parameter, self.group)
        return same

    def pooled(self, variance: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Biased variance and mean of all processes' numbers, of which each row has as many.

        Args:
            variance: of this process's numbers, biased, a scalar.
            mean: of this process's numbers, a scalar.
        """
        own = torch.stack([variance, mean]).expand(self.sizes[self.rank], 2)
        variances, means = self.collect(own).unbind(dim=1)  # a row each, so weighted by the rows
        mean = means.mean()
        return variances.mean() + (means - mean).square().mean(), mean


def _only_gradients() -> None:
    """That nothing else is asked for: a tangent of one process is unknown to the others."""
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        raise NotImplementedError(
            "share: got a transform of torch.func or a dual level, wanted neither: a divided batch "
            "has gradients alone"
        )


class _Gather(torch.autograd.Function):
    """Rows of all processes; the gradient summed over them or not, then cut to the own rows."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, share: BatchShare, summed: bool) -> Tensor:
        ctx.share, ctx.summed = share, summed
        return torch.cat(_all_parts(part.detach(), share.sizes, share.group))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        if ctx.summed:
            gradient = gradient.clone(memory_format=torch.contiguous_format)
            distributed.all_reduce(gradient, group=ctx.share.group)
        return gradient[ctx.share.rows], None, None


class _Common(torch.autograd.Function):
    """The tensor itself; its gradient is summed over the processes."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, group: distributed.ProcessGroup | None) -> Tensor:
        ctx.group = group
        return parameter.view_as(parameter)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient, group=ctx.group)
        return gradient, None


def _all_parts(
    part: Tensor, sizes: Sequence[int], group: distributed.ProcessGroup | None
) -> list[Tensor]:
    # Every backend gathers parts of one size; shorter ones are padded by one row.
    longest = max(sizes)
    padded = part.contiguous()
    if len(padded) < longest:
        padded = torch.cat([padded, padded.new_zeros(longest - len(padded), *padded.shape[1:])])
    parts = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(parts, padded, group=group)
    return [whole[:size] for whole, size in zip(parts, sizes, strict=True)]

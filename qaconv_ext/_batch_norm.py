"""The statistics of the matcher's batch norms: of a batch, running, and folded to a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """The scale and the shift of a one-channel batch norm in evaluation mode, ``[1]`` float64."""
    if norm.running_mean is None or norm.running_var is None:
        raise RuntimeError("batch norm: got no running statistics, wanted them for evaluation mode")
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - scale * norm.running_mean.double()


def joint_variance_and_mean(planes: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Biased variance and mean of one plane of numbers, or of two of equal size together."""
    variance, mean = torch.var_mean(planes[0], correction=0)
    if len(planes) == 1:
        return variance, mean
    other_variance, other_mean = torch.var_mean(planes[1], correction=0)
    within, between = (variance + other_variance) / 2, ((mean - other_mean) / 2).square()
    return within + between, (mean + other_mean) / 2


@torch.no_grad()
def update_running(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: int) -> None:
    """What `torch.nn.BatchNorm1d` does to its running statistics in a training step.

    They have no derivative, of whatever kind. Where they cannot be changed, nothing is.

    Args:
        norm: of one channel.
        mean: of the batch, a scalar.
        variance: of the batch, biased; the running one is unbiased.
        count: how many numbers the batch has.
    """
    if norm.running_mean is None or norm.running_var is None:
        return
    if norm.num_batches_tracked is None:
        raise RuntimeError("batch norm: got running statistics without num_batches_tracked")
    # momentum None is the cumulative average
    factor: Tensor | float = (
        (norm.num_batches_tracked + 1).to(mean.dtype).reciprocal()
        if norm.momentum is None
        else norm.momentum
    )
    # detach: no tangent goes on either, as no gradient does.
    mean, variance = mean.detach(), variance.detach() * (count / (count - 1))
    try:
        for running, value in ((norm.running_mean, mean), (norm.running_var, variance)):
            running.add_((value - running) * factor)
        norm.num_batches_tracked.add_(1)
    except RuntimeError as error:
        if torch._C._are_functorch_transforms_active():
            raise RuntimeError(
                "batch norm: got running statistics from outside a transform of torch.func, which "
                "lets nothing be changed there, wanted copies made within (functional_call), or "
                "none (torch.func.replace_all_batch_norm_modules_(matcher))"
            ) from error
        raise

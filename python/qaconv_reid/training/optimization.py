"""The optimizer of a run, and the moving average of its weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from qaconv_reid.config import OptimizerConfig
from qaconv_reid.models import FeatureMapNetwork

__all__ = ["build_optimizer", "follow", "laid_as"]


def build_optimizer(
    network: FeatureMapNetwork, others: Iterable[nn.Module], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The optimizer that the settings name.

    It is a fused one: a step whose ``found_inf`` is 1 changes nothing, which is decided on the
    device.

    Args:
        network: its backbone, which comes trained, learns at a fraction of the rate.
        others: the matcher, and the loss where it has parameters of its own.
        config: of the optimizer.
    """
    fresh = [*network.neck.parameters()]
    for module in others:
        fresh += module.parameters()
    groups = [
        {
            "params": list(network.backbone.parameters()),
            "lr": config.learning_rate * config.backbone_factor,
        },
        {"params": fresh, "lr": config.learning_rate},
    ]
    if config.kind == "adamw":
        return torch.optim.AdamW(
            groups,
            betas=(config.momentum, 0.999),
            weight_decay=config.weight_decay,
            fused=True,
        )
    optimizer = torch.optim.SGD(
        groups,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=True,
        fused=True,
    )
    # The fused step leaves the momenta of a first step that it skips as it found them: not set.
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


@torch.no_grad()
def follow(averages: nn.Module, weights: nn.Module, decay: float) -> None:
    """Move an exponential moving average of a module a step: its parameters; buffers are copied."""
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    move(list(averages.parameters()), list(weights.parameters()), 0)
    for average, buffer in zip(averages.buffers(), weights.buffers(), strict=True):
        average.copy_(buffer)


def laid_as(weight: Tensor, value: Any) -> Any:
    """``value`` in memory as the weight, where it has its shape; on its device.

    Fused optimizers walk through memory and take no notice of strides.
    """
    if not isinstance(value, Tensor) or value.shape != weight.shape:
        return value
    return torch.empty_like(weight).copy_(value)

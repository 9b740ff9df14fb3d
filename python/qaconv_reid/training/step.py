"""A step of the optimizer: gradients of some batches, clipped, and taken or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from qaconv_reid.config import OptimizerConfig
from qaconv_reid.models import FeatureMapNetwork
from qaconv_reid.training.optimization import build_optimizer, laid_as
from qaconv_reid.training.saved import restoring

__all__ = ["OptimizerStep"]


class OptimizerStep:
    """The optimizer of a run, and what belongs to a step of it.

    `begin`, then for each of its batches the gradients and `add`, then `take`. Whether a step is
    made is decided on the device, so that nobody waits for it.

    Args:
        network: images to maps.
        matcher: maps to scores.
        objective: the loss, which may have weights of its own.
        config: of the optimizer.
        device: where all of them are.
        scaled: the loss is scaled, as float16's gradients need it.
    """

    def __init__(
        self,
        network: FeatureMapNetwork,
        matcher: nn.Module,
        objective: nn.Module,
        config: OptimizerConfig,
        *,
        device: torch.device,
        scaled: bool,
    ) -> None:
        self.optimizer = build_optimizer(network, [matcher, objective], config)
        # One for the whole run and saved with it: made anew, it would start from its first scale.
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self._device = device
        # 0 means off; taken as a norm it would turn every gradient to zero.
        self._limit = config.clip_norm or math.inf
        #: What has weights to learn, each with a norm of its gradient.
        self._parts = [
            part
            for part in (network, matcher, objective)
            if next(part.parameters(), None) is not None
        ]
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        #: The running statistics that a forward pass moves in training mode, and before the step.
        self._moving: Sequence[Tensor] = []
        self._statistics: Sequence[Tensor] = []
        self._counted = torch.zeros((), dtype=torch.bool, device=device)

    @property
    def learning_rate(self) -> float:
        """The greatest, which is that of all but the backbone unless its factor is above 1."""
        rate: float = max(group["lr"] for group in self.optimizer.param_groups)
        return rate

    def set_rates(self, factor: float) -> None:
        """As multiples of those of the settings."""
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def learning(self) -> list[nn.Parameter]:
        """All that learns, in the optimizer's order."""
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def put_back(self, statistics: Sequence[Tensor]) -> None:
        """The running statistics to put back where no step is made: a forward pass moves them."""
        self._moving = statistics

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        self.optimizer.zero_grad(set_to_none=True)
        self._statistics = [value.clone() for value in self._moving]
        self._counted = torch.zeros((), dtype=torch.bool, device=self._device)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to take gradients of."""
        scaled: Tensor = self.scaler.scale(loss)
        return scaled

    def add(self, counted: Tensor) -> None:
        """A batch whose gradients have come, and how many of its rows counted."""
        self._counted |= counted > 0

    def take(self) -> Tensor:
        """Make the step; not where a gradient is not finite or no row counted.

        Returns:
            Boolean scalar on the device: whether it was made.
        """
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimizer)
        # Each by its own norm: the few weights of the matcher would drown in the network's.
        norms = [self.clip(part) for part in self._parts]
        taken = self._counted & torch.stack(norms).isfinite().all()
        # What torch's own gradient scaler tells a fused optimizer: no step where this is 1.
        self.optimizer.grad_scale = None  # type: ignore[attr-defined]
        self.optimizer.found_inf = (~taken).float()  # type: ignore[attr-defined]
        self.optimizer.step()
        if self.scaler.is_enabled():
            self.scaler.update()
        # The forward pass has already moved the running statistics, to NaN perhaps, for good.
        for value, before in zip(self._moving, self._statistics, strict=True):
            value.copy_(torch.where(taken, value, before))
        return taken

    def clip(self, module: nn.Module) -> Tensor:
        """The norm of its gradient, which is then no longer than the settings allow."""
        return clip_grad_norm_(module.parameters(), self._limit).to(self._device)

    def state_dict(self, *, begun: bool) -> dict[str, Any]:
        """Entries of a checkpoint.

        Args:
            begun: gradients have been added that no step was made of.
        """
        moments = self.optimizer.state_dict()["state"]
        state: dict[str, Any] = {
            "optimizer": {str(index): moment for index, moment in moments.items()},
            "scaler": self.scaler.state_dict(),
        }
        if begun:
            state["gradients"] = {
                "sums": {
                    str(place): weight.grad
                    for place, weight in enumerate(self.learning())
                    if weight.grad is not None
                },
                "statistics": self._statistics,
                "counted": self._counted,
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the giver of ``state`` stood.

        Raises:
            ValueError: it is of other weights; the message begins with the entry.
        """
        with restoring("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        with restoring("optimizer"):
            self._load_moments(state["optimizer"])
        if "gradients" in state:
            with restoring("gradients"):
                self._go_on(state["gradients"])

    def _load_moments(self, state: Mapping[str, Any]) -> None:
        # Rates and other numbers of the groups are the settings'; only the momenta are a state.
        learning = self.learning()
        moments = {
            int(index): {
                name: laid_as(learning[int(index)], value) for name, value in moment.items()
            }
            for index, moment in state.items()
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def _go_on(self, state: Mapping[str, Any]) -> None:
        weights = self.learning()
        for place, gradient in state["sums"].items():
            weights[int(place)].grad = laid_as(weights[int(place)], gradient)
        self._statistics = [value.to(self._device) for value in state["statistics"]]
        self._counted = state["counted"].to(self._device)

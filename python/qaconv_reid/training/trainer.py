"""The training loop: graph, batches, network and matcher, loss, gradients, step.

Liao & Shao, *Graph Sampling Based Deep Metric Learning for Generalizable Person Re-Identification*,
CVPR 2022 (arXiv 2104.01546), section 4.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from qaconv_ext.graph import GraphSampler, PKSampler
from qaconv_ext.losses import LossResult
from qaconv_ext.qaconv import QAConv
from qaconv_reid.config import OptimiserConfig, RunConfig
from qaconv_reid.data import ImageDataset, build_train_transform
from qaconv_reid.models import FeatureMapNetwork, Progress
from qaconv_reid.training.checkpoint import random_state, restore_random_state
from qaconv_reid.training.graph_refresh import GraphRefresh
from qaconv_reid.training.images import TrainingImages
from qaconv_reid.training.objectives import build_objective
from qaconv_reid.training.schedule import build_schedule
from qaconv_reid.training.tally import EpochReport, StepResult, Tally

__all__ = ["Trainer", "build_optimiser"]


class Trainer:
    """Trains a network and a matcher, an epoch at a time, from anywhere to the end.

    All that a later process needs to go on is in `state_dict`, also in the middle of an epoch. On
    one machine and device a resumed run ends with the same weights, bit for bit, as one that was
    never interrupted (on CUDA as far as its convolutions are deterministic).

    Args:
        network: images to maps, on ``device``.
        matcher: maps to scores, on ``device``.
        images: what to learn from.
        config: of the run.
        device: where to train.
        autocast: type to run the network in, with scaled gradients (``torch.float16``); None for
            the weights' own.
        progress: told after every step.

    Raises:
        ValueError: there are fewer classes than a batch holds.
    """

    def __init__(
        self,
        network: FeatureMapNetwork,
        matcher: QAConv,
        images: TrainingImages,
        config: RunConfig,
        *,
        device: torch.device,
        autocast: torch.dtype | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.network = network
        self.matcher = matcher
        self.config = config
        self.device = device
        self.autocast = autocast
        self.progress = progress

        model, sampler, runtime = config.model, config.sampler, config.runtime
        self.refresh = GraphRefresh(
            network,
            matcher,
            images.records,
            config,
            device=device,
            autocast=autocast,
            progress=progress,
        )
        draw = (sampler.batch_size, sampler.instances, runtime.seed)
        samplers: dict[str, Callable[[], GraphSampler | PKSampler]] = {
            "graph": lambda: GraphSampler(images.labels, self._graph, *draw),
            "pk": lambda: PKSampler(images.labels, *draw),
        }
        self.sampler = samplers[sampler.kind]()
        self.dataset = ImageDataset(
            images.records, build_train_transform(model.height, model.width), seed=runtime.seed
        )
        self.labels = torch.tensor(images.labels)
        self.objective = build_objective(config.loss, matcher, images.classes).to(device)
        self.optimiser = build_optimiser(network, matcher, config.optimiser)
        self.base_rates = [group["lr"] for group in self.optimiser.param_groups]
        # One for the whole run and saved with it: made anew, it would start from its first scale.
        self.scaler = torch.amp.GradScaler(device.type, enabled=autocast == torch.float16)
        self.schedule = build_schedule(config.schedule)
        #: Finished epochs, and finished batches of the one in progress.
        self.epoch = 0
        self.position = 0
        self.tally = Tally()

    def epochs(self, stop: Callable[[], bool] = lambda: False) -> Iterator[EpochReport]:
        """Train to the end of the schedule, or until ``stop`` says so.

        Args:
            stop: asked after every step. When it is true the iteration ends; `state_dict` then
                holds the run as it stands, in the middle of an epoch perhaps.

        Yields:
            A report at the end of each epoch, when `state_dict` stands at the start of the next.
        """
        while not self.schedule.finished:
            self._set_learning_rates()
            self.network.train()
            self.matcher.train()
            for images, labels in self._batches():
                self.tally.add(self._step(images, labels))
                self.position += 1
                if self.progress is not None:
                    self.progress(self._epoch_name(), self.position, len(self.sampler))
                if stop():
                    return
            yield self._end_epoch()
            if stop():
                return

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The rest of the epoch: images ``[B, 3, H, W]`` and classes ``[B]`` on the device."""
        self.sampler.set_epoch(self.epoch)
        self.dataset.set_epoch(self.epoch)
        started = time.perf_counter()
        loader = DataLoader(
            self.dataset,
            batch_sampler=self.sampler,
            num_workers=self.config.runtime.workers,
            pin_memory=self.device.type == "cuda",
            # A loader draws a seed for its workers: not from the generator of the run.
            generator=torch.Generator(),
        )
        for images, index in loader:
            labels = self.labels[index].to(self.device, non_blocking=True)
            yield images.to(self.device, non_blocking=True), labels
            now = time.perf_counter()
            self.tally.seconds += now - started
            started = now

    def _graph(self, images: Sequence[int]) -> Tensor:
        """What the sampler asks for at the start of an epoch: `GraphRefresh`, timed."""
        started = time.perf_counter()
        nearest = self.refresh(images)
        self.tally.graph_seconds += time.perf_counter() - started
        return nearest

    def _step(self, images: Tensor, labels: Tensor) -> StepResult:
        """One step of the optimiser; none where a gradient, or every score, is not finite."""
        statistics = {name: value.clone() for name, value in self.matcher.named_buffers()}
        with torch.autocast(
            self.device.type, dtype=self.autocast, enabled=self.autocast is not None
        ):
            maps = self.network(images)
            result: LossResult = self.objective(maps, labels, self.matcher)

        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(result.loss))
        self.scaler.unscale_(self.optimiser)
        # Each by its own norm: the few weights of the matcher would drown in the network's.
        norms = [self._clip(self.network), self._clip(self.matcher)]

        step = _read(result, norms)
        if step.taken:
            self.scaler.step(self.optimiser)
        else:
            # The forward pass has already moved the running statistics, to NaN perhaps, for good.
            for name, value in self.matcher.named_buffers():
                value.copy_(statistics[name])
        self.scaler.update()
        return step

    def _clip(self, module: nn.Module) -> Tensor:
        """The norm of the gradient, which is then no longer than the settings allow."""
        # 0 means off; taken as a norm it would turn every gradient to zero.
        limit = self.config.optimiser.clip_norm or math.inf
        return clip_grad_norm_(module.parameters(), limit).to(self.device)

    def _end_epoch(self) -> EpochReport:
        report = self.tally.report(
            epoch=self.epoch + 1,
            learning_rate=max(group["lr"] for group in self.optimiser.param_groups),
        )
        self.schedule.end_epoch(report.loss)
        self.epoch += 1
        self.position = 0
        self.tally = Tally()
        self.sampler.set_epoch(self.epoch)
        return report

    def _set_learning_rates(self) -> None:
        for group, rate in zip(self.optimiser.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * self.schedule.factor

    def _epoch_name(self) -> str:
        return f"epoch {self.epoch + 1} of at most {self.schedule.last_epoch}"

    def state_dict(self) -> dict[str, Any]:
        """The run as it stands: tensors, lists, numbers and text, as `checkpoint.save` takes it."""
        optimiser = self.optimiser.state_dict()
        return {
            "network": self.network.state_dict(),
            "matcher": self.matcher.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": {str(index): state for index, state in optimiser["state"].items()},
            "scaler": self.scaler.state_dict(),
            "schedule": self.schedule.state_dict(),
            "sampler": self.sampler.state_dict(position=self.position),
            "epoch": self.epoch,
            "position": self.position,
            "tally": self.tally.state_dict(),
            "random": random_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the giver of ``state`` stood; its settings were the same as these.

        Raises:
            ValueError, RuntimeError: the state is of another network, sampler or training set.
        """
        self.sampler.load_state_dict(state["sampler"])
        self.network.load_state_dict(state["network"])
        self.matcher.load_state_dict(state["matcher"])
        self.objective.load_state_dict(state["objective"])
        # Rates and other numbers of the groups are the settings'; only the momenta are a state.
        moments = {int(index): moment for index, moment in state["optimiser"].items()}
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.scaler.load_state_dict(state["scaler"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]
        self.position = state["position"]
        self.tally = Tally(**state["tally"])
        restore_random_state(state["random"])


def build_optimiser(
    network: FeatureMapNetwork, matcher: nn.Module, config: OptimiserConfig
) -> torch.optim.SGD:
    """Nesterov momentum; the backbone, which comes trained, at a fraction of the learning rate."""
    fresh = [*network.neck.parameters(), *matcher.parameters()]
    return torch.optim.SGD(
        [
            {
                "params": list(network.backbone.parameters()),
                "lr": config.learning_rate * config.backbone_factor,
            },
            {"params": fresh, "lr": config.learning_rate},
        ],
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=True,
    )


def _read(result: LossResult, norms: list[Tensor]) -> StepResult:
    """The numbers of a step, in one transfer from the device."""
    values = (result.loss, result.accuracy, result.counted, result.dropped, *norms)
    loss, accuracy, counted, dropped, *lengths = torch.stack(
        [value.detach().float() for value in values]
    ).tolist()
    return StepResult(
        loss=loss,
        accuracy=accuracy,
        counted=int(counted),
        dropped=int(dropped),
        taken=counted > 0 and all(math.isfinite(length) for length in lengths),
    )

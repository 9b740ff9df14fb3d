"""The training loop: graph, batches, network and matcher, loss, gradients, step.

Liao & Shao, *Graph Sampling Based Deep Metric Learning for Generalizable Person Re-Identification*,
CVPR 2022 (arXiv 2104.01546), section 4.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from qaconv_ext.losses import LossResult
from qaconv_reid.config import RunConfig
from qaconv_reid.data import ImageSource
from qaconv_reid.models import FeatureMapNetwork, PairMatcher, Progress
from qaconv_reid.ranks import Ranks
from qaconv_reid.training.checkpoint import random_state, restore_random_state
from qaconv_reid.training.composition import Composition
from qaconv_reid.training.division import check_divisible
from qaconv_reid.training.graph_refresh import GraphRefresh
from qaconv_reid.training.images import TrainingImages
from qaconv_reid.training.meter import WINDOW, EpochReport, Meter, Window
from qaconv_reid.training.objectives import build_objective
from qaconv_reid.training.optimization import follow
from qaconv_reid.training.saved import restoring
from qaconv_reid.training.schedule import build_schedule
from qaconv_reid.training.stages import StageClock
from qaconv_reid.training.step import OptimizerStep
from qaconv_reid.training.stream import BatchStream, neighbors_of
from qaconv_reid.training.watch import CollapsedError, HeldScale, Watch, check_finite

__all__ = ["Trainer"]

#: Losses that drive the matcher's scale through zero while the gap is negative.
_HELD = ("triplet", "softmax+triplet")


class Trainer:
    """Trains a network and a matcher, an epoch at a time, from anywhere to the end.

    All that a later process needs to go on is in `state_dict`, also in the middle of an epoch. On
    one machine and device a resumed run ends with the same weights, bit for bit, as one that was
    never interrupted (on CUDA as far as its convolutions are deterministic).

    No step waits for the device: whether one is made is decided there, and its sums are read every
    `WINDOW` steps.

    Args:
        network: images to maps, on ``device``.
        matcher: maps to scores, on ``device``.
        images: what to learn from.
        source: their pixels, by their numbers.
        config: of the run.
        device: where to train.
        autocast: type to run the network in (float16 with scaled gradients); None for the weights'
            own.
        ranks: the processes of a distributed run, which all do the same with the same arguments.
        progress: told after every step.
        notice: told in a sentence what is wrong with the run.

    Raises:
        ValueError: there are fewer classes than a batch holds.
        ConfigError: as `check_divisible`.
    """

    def __init__(
        self,
        network: FeatureMapNetwork,
        matcher: PairMatcher,
        images: TrainingImages,
        source: ImageSource,
        config: RunConfig,
        *,
        device: torch.device,
        autocast: torch.dtype | None = None,
        ranks: Ranks | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self.network = network
        self.matcher = matcher
        self.source = source
        self.config = config
        self.device = device
        self.autocast = autocast
        self.ranks = ranks or Ranks()
        self.progress = progress
        self.notice = notice

        check_divisible(config, self.ranks)
        sampler = config.sampler
        self.refresh = GraphRefresh(
            network,
            matcher,
            source,
            neighbors=neighbors_of(sampler, images.classes),
            batch_size=config.evaluation.batch_size,
            device=device,
            autocast=autocast,
            rerank=sampler.rerank,
            ranks=self.ranks,
            progress=progress,
        )
        self.epoch_batches = _epoch_batches(config, images)
        self.stream = BatchStream(
            images, source, config, self._graph, self.epoch_batches, self.ranks
        )
        self.labels = torch.tensor(images.labels)
        self.objective = build_objective(config.loss, matcher, images.classes).to(device)
        self.step = OptimizerStep(
            network,
            matcher,
            self.objective,
            config.optimizer,
            device=device,
            scaled=autocast == torch.float16,
        )
        self.schedule = build_schedule(config.schedule)
        #: The moving average of network and matcher, where the settings ask for one.
        self.average = copy.deepcopy(self._weights()) if config.optimizer.average else None
        self.clock = StageClock(device)
        self.watch = Watch(config, _chance(config, images.classes))
        self.hold = HeldScale(config.matcher.hold_scale and config.loss.kind in _HELD)
        if config.runtime.compile != "off":
            network.compile(mode=config.runtime.compile)
            # A class memory grows, and processes talk in between: nothing of one shape.
            if self.ranks.size == 1 and config.loss.kind != "class_memory":
                self.objective.compile(mode=config.runtime.compile)
        self.mapping = self.ranks.averaged(network)
        #: Finished epochs, and finished batches of the one in progress.
        self.epoch = 0
        self.position = 0
        self.meter = Meter(matcher, device)
        self._last_window: Window | None = None
        self.composition = Composition(images)
        #: What the last look at the run found wrong; empty if nothing was.
        self.trouble = ""

    def epochs(
        self, stop: Callable[[], bool] = lambda: False, after_step: Callable[[], None] | None = None
    ) -> Iterator[EpochReport]:
        """Train to the end of the schedule, or until ``stop`` says so.

        Args:
            stop: asked after every batch. When it is true the iteration ends; `state_dict` then
                holds the run as it stands, in the middle of an epoch perhaps.
            after_step: called after every batch, when `state_dict` stands behind it.

        Yields:
            A report at the end of each epoch, when `state_dict` stands at the start of the next.

        Raises:
            CollapsedError: nothing is learnt any more, and ``runtime.collapse`` is ``stop``.
        """
        while not self.schedule.finished:
            self.network.train()
            self.matcher.train()
            norms = [part for part in self.objective.modules() if isinstance(part, _BatchNorm)]
            of_loss = [buffer for norm in norms for buffer in norm.buffers()]
            self.step.put_back([*self.matcher.buffers(), *self.network.moving(), *of_loss])
            while self.position < self.epoch_batches:
                self._train_on_batch()
                if self.progress is not None:
                    self.progress(self._epoch_name(), self.position, self.epoch_batches)
                if after_step is not None:
                    after_step()
                if stop():
                    return
            yield self._end_epoch()
            if stop():
                return

    def accuracy_after(self, images: int) -> float:
        """Train on about so many images, and give the batch accuracy of the last window of steps.

        Args:
            images: rounded up to whole windows.

        Raises:
            CollapsedError: as `epochs`.
        """
        windows = -(-images // (self.config.sampler.batch_size * WINDOW))
        for _ in self.epochs(lambda: self._batches_done >= windows * WINDOW):
            pass
        assert self._last_window is not None
        return self._last_window.accuracy

    def _train_on_batch(self) -> None:
        started, busy = time.perf_counter(), time.process_time()
        seconds = self.meter.seconds
        graph_before = seconds["graph"]
        with self.clock("input"):
            pixels, index = self.stream.next()
        # The sampler asks for its graph when the first batch of a sweep is wanted.
        seconds["input"] -= seconds["graph"] - graph_before
        self._set_learning_rates()
        self._step(pixels, self.labels[list(index)].to(self.device, non_blocking=True))
        self.composition.add(index)
        self.position += 1
        if self._batches_done % WINDOW == 0:
            self._end_window()
        seconds["all"] += time.perf_counter() - started
        seconds["processor"] += time.process_time() - busy

    def _graph(self, images: Sequence[int]) -> Tensor:
        """What the sampler asks for at the start of a sweep: `GraphRefresh`, timed."""
        started = time.perf_counter()
        nearest = self.refresh(images)
        self.meter.seconds["graph"] += time.perf_counter() - started
        return nearest

    def _step(self, images: Tensor, labels: Tensor) -> None:
        """Gradients of a batch; a step where they are the last of those to be added up.

        Args:
            images: of this process, on the device.
            labels: of the whole batch.
        """
        together = self.config.optimizer.accumulate
        if self._batches_done % together == 0:
            self.step.begin()
        result = self._gradients(images, labels, 1 / together)
        self.step.add(result.counted)
        taken = torch.ones((), dtype=torch.bool, device=self.device)
        if (self._batches_done + 1) % together == 0:
            taken = self._update()
        self.meter.add(result, taken, len(labels))

    def _gradients(self, images: Tensor, labels: Tensor, weight: float) -> LossResult:
        share = self.ranks.share(len(labels))
        casting = torch.autocast(
            self.device.type, dtype=self.autocast, enabled=self.autocast is not None
        )
        # Cut in two at the maps, so that the time of each part is known.
        with self.clock("network"), casting:
            maps = self.mapping(images)
        cut = maps.detach().requires_grad_()
        with self.clock("matcher"):
            with casting:
                result: LossResult = self.objective(cut, labels, self.matcher, share)
            torch.autograd.backward(self.step.scaled(result.loss * weight))
        gradient = cut.grad
        if gradient is None:  # no score depends on the maps: the first batch of a class memory
            gradient = torch.zeros_like(cut)
        with self.clock("network"):
            # The processes' gradients of the network are averaged, and are parts of a sum.
            torch.autograd.backward(maps, gradient * self.ranks.size)
        return result

    def _update(self) -> Tensor:
        """A step of the optimizer; boolean scalar on the device: whether it was made."""
        if self.hold.held:
            self.matcher.logit_bn.weight.grad = None
        taken = self.step.take()
        if self.average is not None:
            follow(self.average, self._weights(), self.config.optimizer.average)
        return taken

    def _end_window(self) -> None:
        """Look at the last steps, and decide what follows from them."""
        window = self._last_window = self.meter.end_window()
        self.clock.read(self.meter.seconds)
        self.hold.look(window)
        if window.accuracy > self.config.augmentation.from_accuracy:
            self.stream.augments = True
        self.trouble = ""
        self._complain(self.watch.look(window))

    def _complain(self, trouble: str | None) -> None:
        if trouble is None:
            return
        if self.config.runtime.collapse == "stop":
            raise CollapsedError(trouble)
        self.trouble = trouble
        if self.notice is not None:
            self.notice(trouble)

    def _end_epoch(self) -> EpochReport:
        self.clock.read(self.meter.seconds)
        report = self.meter.report(
            epoch=self.epoch + 1,
            learning_rate=self.step.learning_rate,
            batches=self.composition.report(),
        )
        self.schedule.end_epoch(report.loss)
        self.epoch += 1
        self.position = 0
        self.meter.start_epoch()
        self.composition.start_epoch()
        self._complain(self.watch.end_epoch(report))
        return report

    def check_learnt(self, report: EpochReport) -> None:
        """That the run does not end with an epoch in which nothing was learnt.

        Raises:
            CollapsedError: it does, and ``runtime.collapse`` is ``stop``.
        """
        if self.schedule.finished:
            self._complain(self.watch.end_run(report))

    @property
    def _batches_done(self) -> int:
        return self.epoch * self.epoch_batches + self.position

    def _set_learning_rates(self) -> None:
        position = self.epoch + self.position / self.epoch_batches
        factor = self.schedule.factor(position)
        if position < self.config.schedule.warm_up:
            # The first step is made, if a small one.
            rising = self.config.schedule.warm_up * self.epoch_batches
            factor *= min(1.0, (self._batches_done + 1) / rising)
        self.step.set_rates(factor)

    def _epoch_name(self) -> str:
        return f"epoch {self.epoch + 1} of at most {self.schedule.last_epoch}"

    def _weights(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network, "matcher": self.matcher})

    def evaluated(self) -> tuple[FeatureMapNetwork, PairMatcher]:
        """Network and matcher as they are to be evaluated: the moving average, where there is one.

        They are the trainer's own and go on learning; who wants to keep them copies them.
        """
        chosen = self.average if self.average is not None else self._weights()
        return chosen["network"], chosen["matcher"]  # type: ignore[return-value]

    def state_dict(self) -> dict[str, Any]:
        """The run as it stands: tensors, lists, numbers and text, as `checkpoint.save` takes it."""
        network, matcher = self.evaluated()
        state = {
            # What is evaluated, under the names that whoever evaluates looks for.
            "network": network.state_dict(),
            "matcher": matcher.state_dict(),
            "objective": self.objective.state_dict(),
            **self.step.state_dict(
                begun=self._batches_done % self.config.optimizer.accumulate != 0
            ),
            "schedule": self.schedule.state_dict(),
            "stream": self.stream.state_dict(),
            "epoch": self.epoch,
            "position": self.position,
            "meter": self.meter.state_dict(),
            "composition": self.composition.state_dict(),
            "watch": self.watch.state_dict(),
            "trouble": self.trouble,
            "hold": self.hold.state_dict(),
            "random": random_state(),
        }
        if self.average is not None:
            state["learning"] = self._weights().state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the giver of ``state`` stood; its settings were the same as these.

        Raises:
            ValueError: the state is of another network, sampler or training set; the message begins
                with the entry.
            CollapsedError: as `check_finite`.
        """
        network, matcher = self.evaluated()
        parts: dict[str, Any] = {
            "stream": self.stream,
            "network": network,
            "matcher": matcher,
            "objective": self.objective,
            "schedule": self.schedule,
            "meter": self.meter,
            "composition": self.composition,
            "watch": self.watch,
            "hold": self.hold,
        }
        if self.average is not None:
            parts["learning"] = self._weights()
        for name, part in parts.items():
            with restoring(name):
                part.load_state_dict(state[name])
        self.step.load_state_dict(state)
        self.trouble = state.get("trouble", "")
        self.epoch = state["epoch"]
        self.position = state["position"]
        with restoring("random"):
            restore_random_state(state["random"])
        self.check_finite()

    def check_finite(self) -> None:
        """That the weights are numbers still: a checkpoint of others is of no use.

        Raises:
            CollapsedError: they are not.
        """
        check_finite(self._weights())


def _epoch_batches(config: RunConfig, images: TrainingImages) -> int:
    """Batches of an epoch: the images that the settings ask for, in whole batches."""
    asked, size = config.schedule.epoch_images, config.sampler.batch_size
    numbers = {"graph": images.classes * size, "data": len(images.labels)}
    return -(-(numbers[asked] if isinstance(asked, str) else asked) // size)


def _chance(config: RunConfig, classes: int) -> float:
    """Share of a batch's rows that are right where scores are drawn at random."""
    if config.loss.kind in ("class_memory", "softmax"):
        return 1 / classes
    own = config.sampler.num_instances - 1
    # All own ones before all others, among the orders of all but the row itself.
    return 1 / math.comb(config.sampler.batch_size - 1, own) if own else 1.0

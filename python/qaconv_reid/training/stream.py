"""The batches of a run, without end: drawn by a sampler, read, changed at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from qaconv_ext.graph import EpochBatchSampler, GraphSampler, PKSampler, ShuffleSampler
from qaconv_reid.config import ConfigError, RunConfig, SamplerConfig
from qaconv_reid.data import Augmentation, ImageSource
from qaconv_reid.models import as_floats
from qaconv_reid.ranks import Ranks
from qaconv_reid.training.images import TrainingImages

__all__ = ["BatchStream", "neighbors_of", "strangers_of"]


def strangers_of(sampler: SamplerConfig) -> int:
    """Identities at random in a batch of graph sampling."""
    return round(sampler.strangers * (sampler.batch_size // sampler.num_instances - 1))


def neighbors_of(sampler: SamplerConfig, classes: int) -> int:
    """How many of the nearest identities of each are asked for."""
    others = sampler.batch_size // sampler.num_instances - 1
    return min(max(sampler.candidates, others - strangers_of(sampler)), classes - 1)


class BatchStream:
    """Batches one after the other; the epochs of a run begin and end anywhere between them.

    A sweep is an iteration of a sampler: for graph sampling, the batches of one graph. Every
    process of a distributed run draws the same batches and reads its own part of each.

    Args:
        images: what to learn from.
        source: their pixels, by their numbers.
        config: of the run.
        graph: the ``neighbors`` of a `GraphSampler`.
        epoch_batches: batches of an epoch, in which the settings count.
        ranks: the processes of the run.

    Raises:
        ValueError: there are fewer classes, or images, than a batch holds.
        ConfigError: batches across cameras are asked for, and not all cameras are known.
    """

    def __init__(
        self,
        images: TrainingImages,
        source: ImageSource,
        config: RunConfig,
        graph: Callable[[Sequence[int]], Tensor],
        epoch_batches: int,
        ranks: Ranks,
    ) -> None:
        self._source = source
        self._config = config
        self._ranks = ranks
        sampler, model = config.sampler, config.model
        draw = (sampler.batch_size, sampler.num_instances, config.runtime.seed)
        groups = images.sources if config.data.balanced else None
        cameras = images.cameras if sampler.across_cameras else None
        if cameras is not None and -1 in cameras:
            raise ConfigError(
                "sampler.across_cameras: got images of which no camera is known, wanted the camera "
                "of all"
            )
        samplers: dict[str, Callable[[], EpochBatchSampler]] = {
            "graph": lambda: GraphSampler(
                images.labels,
                graph,
                *draw,
                strangers=strangers_of(sampler),
                groups=groups,
                cameras=cameras,
            ),
            "pk": lambda: PKSampler(
                images.labels,
                *draw,
                groups=images.sources if sampler.one_set else groups,
                one_group=sampler.one_set,
                cameras=cameras,
            ),
            "shuffle": lambda: ShuffleSampler(
                images.labels, sampler.batch_size, config.runtime.seed, groups=groups
            ),
        }
        warm = ["pk"] if sampler.kind == "graph" and sampler.warm_start else []
        self._samplers = {kind: samplers[kind]() for kind in (*warm, sampler.kind)}
        # Rounded first: 1.1 epochs of 50 batches are 55, and a little more in binary.
        self._warm_batches = math.ceil(round(sampler.warm_start * epoch_batches, 6))
        self._augmentation = Augmentation(config.augmentation, model.height, model.width)
        #: Whether images are changed at random by now.
        self.augments = not config.augmentation.from_accuracy
        #: Which sampler the sweep in progress is of.
        self.active = next(iter(self._samplers))
        #: Finished sweeps, finished batches of the one in progress, and of all.
        self.sweep = 0
        self._position = 0
        self._done = 0
        self._batches: Iterator[tuple[Tensor, Sequence[int]]] | None = None

    def next(self) -> tuple[Tensor, Sequence[int]]:
        """This process's images ``[b, 3, H, W]`` of the next batch, in [0, 1] on the device.

        And the numbers of all images of the batch. The former one is then finished.
        """
        if self._batches is None:
            self._batches = self._sweeps()
        batch = next(self._batches)
        self._position += 1
        self._done += 1
        return batch

    def _sweeps(self) -> Iterator[tuple[Tensor, Sequence[int]]]:
        while True:
            sampler = self._samplers[self.active]
            sampler.set_epoch(self.sweep)
            sweep = list(sampler)[: max(0, self._sweep_length() - self._position)]
            shares = [self._ranks.share(len(batch)) for batch in sweep]
            own = [
                batch if share is None else batch[share.rows]
                for batch, share in zip(sweep, shares, strict=True)
            ]
            for batch, share, pixels in zip(sweep, shares, self._source.batches(own), strict=True):
                first = 0 if share is None else share.rows.start
                yield self._changed(pixels, batch, first), batch
            self.sweep += 1
            self._position = 0
            if self._done >= self._warm_batches:
                self.active = self._config.sampler.kind

    def _changed(self, pixels: Tensor, batch: Sequence[int], first: int) -> Tensor:
        if not self.augments:
            return as_floats(pixels)
        entropy = [self._config.runtime.seed, self.sweep, *batch]
        return self._augmentation(pixels, entropy, batch=len(batch), first=first)

    def _sweep_length(self) -> int:
        """Batches of the sweep in progress: all, or what is left of the graph's or warm start's."""
        length, config = len(self._samplers[self.active]), self._config.sampler
        if self.active != config.kind:
            return min(length, self._warm_batches - (self._done - self._position))
        if self.active != "graph" or not config.refresh_images:
            return length
        return min(length, -(-config.refresh_images // config.batch_size))

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on behind the last batch, in JSON's types."""
        return {
            "samplers": {
                kind: sampler.state_dict(position=self._position if kind == self.active else 0)
                for kind, sampler in self._samplers.items()
            },
            "active": self.active,
            "sweep": self.sweep,
            "done": self._done,
            "augments": self.augments,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the giver of ``state`` stood.

        Raises:
            ValueError: the state is of other images or settings.
        """
        for kind, sampler in self._samplers.items():
            sampler.load_state_dict(state["samplers"][kind])
        self.active = state["active"]
        self.sweep = state["sweep"]
        self._position = state["samplers"][self.active]["position"]
        self._done = state["done"]
        self.augments = state["augments"]
        self._batches = None

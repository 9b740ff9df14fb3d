"""How the classes lie to each other by the network as it is now: the graph of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from qaconv_ext.graph import class_distances, nearest_classes
from qaconv_reid.data import ImageSource
from qaconv_reid.evaluation import rerank_among
from qaconv_reid.models import Progress, extract_maps
from qaconv_reid.ranks import Ranks

__all__ = ["GraphRefresh"]


class GraphRefresh:
    """The ``neighbors`` of a `GraphSampler`: nearest classes by one image of each.

    Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.2. Network and matcher are used where they
    stand, in evaluation mode and without a gradient, and get their modes back. Images are resized
    only, so that the graph depends on the weights and the chosen images and nothing else: the
    processes of a distributed run divide whole batches among them, and the graph is the same, bit
    for bit, for any number of them.

    Args:
        network: images to maps, on ``device``.
        matcher: maps to scores, on ``device``.
        source: the training images, by the sampler's image numbers.
        neighbors: how many are wanted of each class.
        batch_size: images through the network at a time.
        device: where network and matcher are.
        autocast: type to run the network in, None for the weights' own.
        rerank: by distances of k-reciprocal encoding (`rerank_among`), as in release 2.0.
        ranks: the processes of the run.
        progress: told after every batch of images.
    """

    def __init__(
        self,
        network: nn.Module,
        matcher: nn.Module,
        source: ImageSource,
        *,
        neighbors: int,
        batch_size: int,
        device: torch.device,
        autocast: torch.dtype | None = None,
        rerank: bool = False,
        ranks: Ranks | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.network = network
        self.matcher = matcher
        self.source = source
        self.neighbors = neighbors
        self.batch_size = batch_size
        self.device = device
        self.autocast = autocast
        self.rerank = rerank
        self.ranks = ranks or Ranks()
        self.progress = progress

    def __call__(self, images: Sequence[int]) -> Tensor:
        """The nearest other classes of each class, ``[classes, neighbors]`` int64 on the CPU.

        Args:
            images: one image number per class, in class order.
        """
        maps = self._maps(images)
        distances = class_distances(maps, self.matcher, divided=self.ranks.size > 1)
        if self.rerank:
            distances = rerank_among(torch.sigmoid(distances))
        return nearest_classes(distances, self.neighbors).cpu()

    def _maps(self, images: Sequence[int]) -> Tensor:
        batches = [
            range(start, min(start + self.batch_size, len(images)))
            for start in range(0, len(images), self.batch_size)
        ]
        own = self.ranks.mine(batches)
        places = [place for batch in own for place in batch]

        def loaded() -> Iterator[tuple[Tensor, Tensor]]:
            numbers = [[images[place] for place in batch] for batch in own]
            done = 0
            for pixels in self.source.batches(numbers):
                yield pixels, torch.arange(done, done + len(pixels))
                done += len(pixels)

        if not places:  # more processes than batches
            return self.ranks.merged(None, batches, self.device)
        maps = extract_maps(
            self.network,
            loaded(),
            len(places),
            device=self.device,
            dtype=torch.float32 if self.autocast is None else torch.float16,
            store=self.device,
            autocast=self.autocast,
            progress=self.progress,
            what="graph: features",
        )
        return self.ranks.merged(maps, batches, self.device)

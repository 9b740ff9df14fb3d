"""How the classes lie to each other by the network as it is now: the graph of an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from qaconv_ext.graph import class_distances, nearest_classes
from qaconv_reid.config import RunConfig
from qaconv_reid.data import ImageDataset, Record, build_test_transform
from qaconv_reid.models import Progress, extract_maps

__all__ = ["GraphRefresh"]


class GraphRefresh:
    """The ``neighbours`` of a `GraphSampler`: nearest classes by one image of each.

    Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.2. Network and matcher are used where they
    stand, in evaluation mode and without a gradient, and get their modes back. Images are resized
    only, so that the graph depends on the weights and the chosen images and nothing else.

    Args:
        network: images to maps, on ``device``.
        matcher: maps to scores, on ``device``.
        records: the training images; the sampler's image numbers are places in it.
        config: of the run: image size, batches, workers.
        device: where network and matcher are.
        autocast: type to run the network in, None for the weights' own.
        progress: told after every batch of images.
    """

    def __init__(
        self,
        network: nn.Module,
        matcher: nn.Module,
        records: Sequence[Record],
        config: RunConfig,
        *,
        device: torch.device,
        autocast: torch.dtype | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.network = network
        self.matcher = matcher
        self.records = records
        self.config = config
        self.device = device
        self.autocast = autocast
        self.progress = progress

    def __call__(self, images: Sequence[int]) -> Tensor:
        """The nearest other classes of each class, ``[classes, P - 1]`` int64 on the CPU.

        Args:
            images: one image number per class, in class order.
        """
        model, sampler = self.config.model, self.config.sampler
        chosen = [self.records[image] for image in images]
        loader = DataLoader(
            ImageDataset(chosen, build_test_transform(model.height, model.width)),
            batch_size=self.config.evaluation.batch_size,
            num_workers=self.config.runtime.workers,
            pin_memory=self.device.type == "cuda",
            # A loader draws a seed for its workers: not from the generator of the run.
            generator=torch.Generator(),
        )
        maps = extract_maps(
            self.network,
            loader,
            len(chosen),
            device=self.device,
            dtype=self.autocast or torch.float32,
            store=self.device,
            autocast=self.autocast,
            progress=self.progress,
            what="graph: features",
        )
        distances = class_distances(maps, self.matcher)
        return nearest_classes(distances, sampler.batch_size // sampler.instances - 1).cpu()

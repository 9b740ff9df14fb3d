"""Small training runs on drawn people: a network of a few weights, images of a few pixels."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from qaconv_reid.build import build_matcher
from qaconv_reid.config import RunConfig, load
from qaconv_reid.data import ImageDataset, ImageSource, open_source
from qaconv_reid.data import load as load_dataset
from qaconv_reid.models import FeatureMapNetwork, PairMatcher
from qaconv_reid.training import Trainer, TrainingImages, join
from support.images import write_person_folders

HEIGHT, WIDTH = 32, 16


def small_config(*overrides: str) -> RunConfig:
    """Settings of a run on 6 drawn people, 3 of them in a batch."""
    return load(
        "tiny",
        [
            f"model.height={HEIGHT}",
            f"model.width={WIDTH}",
            "sampler.batch_size=6",
            "sampler.num_instances=2",
            "schedule.max_epochs=3",
            *overrides,
        ],
    )


def small_images(root: Path, persons: int = 6, shots: int = 3) -> TrainingImages:
    """Drawn people in a folder, as a training set."""
    write_person_folders(root, persons, shots, height=HEIGHT, width=WIDTH)
    return join([load_dataset(root, "folder")])


def small_models(
    seed: int = 0, config: RunConfig | None = None
) -> tuple[FeatureMapNetwork, PairMatcher]:
    """A network of stride 8 with a batch norm in its backbone, and its matcher."""
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.BatchNorm2d(6), nn.ReLU())
    network = FeatureMapNetwork(backbone, channels=6, stride=8, neck_features=5)
    network.to(memory_format=torch.channels_last)  # as real ones: strides are not those of a file
    return network, build_matcher(config or small_config(), network)


def small_source(images: TrainingImages, config: RunConfig | None = None) -> ImageSource:
    """The pixels of a training set, where the settings keep them."""
    config = config or small_config()
    return open_source(
        ImageDataset(images.records, HEIGHT, WIDTH),
        config.data.cache,
        device=torch.device("cpu"),
        workers=config.runtime.workers,
        folder=config.data.cache_folder,
    )


def small_trainer(images: TrainingImages, config: RunConfig, **options: object) -> Trainer:
    """A trainer of new models on the CPU."""
    source = small_source(images, config)
    device = torch.device("cpu")
    return Trainer(*small_models(config=config), images, source, config, device=device, **options)

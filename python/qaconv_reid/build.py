"""From settings to the objects a recipe works with."""

from __future__ import annotations

import math
import os
import random
from typing import NamedTuple, TypedDict

import numpy as np
import torch

from qaconv_ext.qaconv import QAConv
from qaconv_reid.config import ConfigError, RunConfig, RuntimeConfig
from qaconv_reid.models import CosineMatcher, FeatureMapNetwork, PairMatcher, build_network

__all__ = [
    "Hardware",
    "build_matcher",
    "build_models",
    "extraction",
    "find_hardware",
    "map_type",
    "seed_everything",
]


#: Positions within a map are kept in 16 bits with a sign.
_MOST_LOCATIONS = torch.iinfo(torch.int16).max


class Hardware(NamedTuple):
    """Where a run is computed, and how."""

    device: torch.device
    autocast: torch.dtype | None
    """Type the network runs in; None for that of its weights."""

    @property
    def map_type(self) -> torch.dtype:
        """Type the feature maps are kept in: bfloat16 would cost accuracy and save nothing."""
        return torch.float32 if self.autocast is None else torch.float16


class Extraction(TypedDict):
    """How images become maps: what `evaluation.extract` and `evaluation.evaluate` both take."""

    height: int
    width: int
    batch: int
    device: torch.device
    dtype: torch.dtype
    autocast: torch.dtype | None
    workers: int


def extraction(config: RunConfig, hardware: Hardware) -> Extraction:
    """As the settings say, on that hardware."""
    return Extraction(
        height=config.model.height,
        width=config.model.width,
        batch=config.evaluation.batch_size,
        device=hardware.device,
        dtype=map_type(config, hardware),
        autocast=hardware.autocast,
        workers=config.runtime.workers,
    )


def map_type(config: RunConfig, hardware: Hardware) -> torch.dtype:
    """Type the maps of an evaluation are kept in."""
    chosen = {"auto": hardware.map_type, "float32": torch.float32, "float16": torch.float16}
    return chosen[config.evaluation.maps]


def find_hardware(runtime: RuntimeConfig) -> Hardware:
    """The device that the settings ask for.

    Raises:
        ConfigError: this machine, or this build of torch, does not have it.
    """
    if runtime.device == "auto":
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    else:
        try:
            device = torch.device(runtime.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            if runtime.device.startswith("cuda") and not torch.cuda.is_available():
                reason = "torch finds no GPU here"
            raise ConfigError(
                f"runtime.device: got {runtime.device!r}, wanted one of this machine: {reason}"
            ) from None
    if device.type == "cuda" and device.index is None:
        # torchrun numbers the processes of a machine: each has a device of its own.
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    autocast = {
        "auto": torch.float16 if device.type == "cuda" else None,
        "float32": None,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
    }[runtime.precision]
    return Hardware(device, autocast)


def build_models(
    config: RunConfig, device: torch.device, *, pretrained: bool = True
) -> tuple[FeatureMapNetwork, PairMatcher]:
    """Network and matcher as they are before training, on the device.

    Args:
        config: of the run.
        device: where they go.
        pretrained: False leaves ``model.weights`` unread, as for a checkpoint to fill.

    Raises:
        ConfigError: a ``model`` setting names something that is not there or does not fit.
    """
    model = config.model
    try:
        network = build_network(
            model.backbone,
            stage=model.stage,
            neck_features=model.neck_features,
            neck_norm=model.neck_norm,
            freeze_norms=model.freeze_backbone_norms,
            weights=model.weights if pretrained else None,
            part_of_weights=model.part_of_weights,
        )
    except (ValueError, FileNotFoundError) as error:
        # These messages begin with the name of the setting.
        raise ConfigError(f"model.{error}") from None
    matcher = build_matcher(config, network)
    return network.to(device), matcher.to(device)


def build_matcher(config: RunConfig, network: FeatureMapNetwork) -> PairMatcher:
    """The matcher that the settings name, for the maps of the network; on the CPU.

    Raises:
        ConfigError: the maps have more locations than it can number.
    """
    rows, columns = network.map_size(config.model.height, config.model.width)
    channels, kind = network.num_features, config.matcher.kind
    matcher: PairMatcher
    if kind == "qaconv":
        _check_locations(config, rows, columns)
        separate = config.matcher.separate_weights
        matcher = QAConv(channels, rows, columns, separate_weights=separate)
    else:
        count = rows if kind == "stripes" else 1
        matcher = CosineMatcher(channels, rows, columns, count, norm=config.matcher.norm)
    if config.loss.kind == "class_memory":
        # Lin et al., Focal Loss for Dense Object Detection (arXiv 1708.02002), section 4.1: one
        # pair in hundreds is a positive, and the negatives of the first batches would be all that
        # the head learns from.
        prior = config.loss.prior
        torch.nn.init.constant_(matcher.logit_bn.bias, math.log(prior / (1 - prior)))
    return matcher


def _check_locations(config: RunConfig, rows: int, columns: int) -> None:
    if rows * columns > _MOST_LOCATIONS:
        model = config.model
        raise ConfigError(
            f"model.height, model.width: got {model.height} × {model.width} pixels, of which "
            f"{model.backbone} makes a map of {rows} × {columns} = {rows * columns:,} locations, "
            f"wanted at most {_MOST_LOCATIONS:,} for matcher.kind=qaconv: a smaller image, or a "
            "later model.stage"
        )


def seed_everything(seed: int) -> None:
    """Set every global generator, so that weights without a file are the same each time."""
    random.seed(seed)
    # NumPy takes 32 bits.
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)

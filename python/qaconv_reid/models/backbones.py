"""The backbones: networks that can be cut after a stage, most of them torchvision's.

To add one: write a builder of the whole network, a cut, and a line in `BACKBONES`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torchvision
from torch import nn

from qaconv_reid.models.efficientnet import efficientnet_lite0
from qaconv_reid.models.ibn import to_ibn_a, to_ibn_b

__all__ = ["BACKBONES", "Backbone", "Stage", "build_backbone", "keys_behind"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A location to cut."""

    last: str
    """Name of the last module that is kept; below a sequence, ``sequence.index``."""
    channels: int
    """Channels of the maps that come out."""
    stride: int
    """Input pixels per location, in both directions."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network to cut: how to build the whole of it, and where it can be cut."""

    build: Callable[[], nn.Module]
    stages: Mapping[str, Stage]

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            ValueError: there is none; the message lists those there are.
        """
        if name not in self.stages:
            raise ValueError(f"stage: got {name!r}, wanted one of {', '.join(self.stages)}")
        return self.stages[name]


def _resnet(depth: int, ibn: Callable[[nn.Module], nn.Module] | None = None) -> Backbone:
    def build() -> nn.Module:
        network: nn.Module = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        return network if ibn is None else ibn(network)

    expansion = 1 if depth < 50 else 4
    return Backbone(
        build,
        {
            "layer2": Stage("layer2", 128 * expansion, 8),
            "layer3": Stage("layer3", 256 * expansion, 16),
            "layer4": Stage("layer4", 512 * expansion, 32),
        },
    )


def _mobilenet_v2() -> Backbone:
    def build() -> nn.Module:
        network: nn.Module = torchvision.models.mobilenet_v2(weights=None)
        return network

    # Named as the ResNets' by stride. features.18 only widens features.17 for the classifier.
    return Backbone(
        build,
        {
            "layer2": Stage("features.6", 32, 8),
            "layer3": Stage("features.13", 96, 16),
            "layer4": Stage("features.17", 320, 32),
        },
    )


def _efficientnet_lite0() -> Backbone:
    return Backbone(
        efficientnet_lite0,
        {
            "layer2": Stage("blocks.2", 40, 8),
            "layer3": Stage("blocks.4", 112, 16),
            "layer4": Stage("blocks.6", 320, 32),
        },
    )


BACKBONES: Mapping[str, Backbone] = {
    "resnet18": _resnet(18),
    "resnet34": _resnet(34),
    "resnet50": _resnet(50),
    "resnet101": _resnet(101),
    "resnet152": _resnet(152),
    "resnet18_ibn_a": _resnet(18, to_ibn_a),
    "resnet34_ibn_a": _resnet(34, to_ibn_a),
    "resnet50_ibn_a": _resnet(50, to_ibn_a),
    "resnet101_ibn_a": _resnet(101, to_ibn_a),
    "resnet152_ibn_a": _resnet(152, to_ibn_a),
    "resnet18_ibn_b": _resnet(18, to_ibn_b),
    "resnet34_ibn_b": _resnet(34, to_ibn_b),
    "resnet50_ibn_b": _resnet(50, to_ibn_b),
    "resnet101_ibn_b": _resnet(101, to_ibn_b),
    "resnet152_ibn_b": _resnet(152, to_ibn_b),
    "mobilenet_v2": _mobilenet_v2(),
    "efficientnet_lite0": _efficientnet_lite0(),
}
"""Every backbone by its name on the command line."""


def build_backbone(name: str, stage: str = "layer3") -> tuple[nn.Sequential, Stage]:
    """A backbone with random weights, cut after a stage.

    Args:
        name: a key of `BACKBONES`.
        stage: a key of that backbone's stages.

    Returns:
        The kept part, whose state_dict has the whole network's key names, and what it gives.

    Raises:
        ValueError: no such backbone or stage; the message lists those there are.
    """
    backbone = _backbone(name)
    location = backbone.stage(stage)
    return _cut(backbone.build(), location.last), location


def keys_behind(name: str, stage: str) -> frozenset[str]:
    """State_dict keys of the whole network that the cut leaves out: later stages, classifier."""
    backbone = _backbone(name)
    with torch.device("meta"):  # names only: nothing is allocated
        whole = backbone.build()
        kept = _cut(whole, backbone.stage(stage).last)
    return frozenset(whole.state_dict()) - frozenset(kept.state_dict())


def _backbone(name: str) -> Backbone:
    if name not in BACKBONES:
        raise ValueError(
            f"backbone: got {name!r}, wanted timm:NAME or one of {', '.join(BACKBONES)}"
        )
    return BACKBONES[name]


def _cut(whole: nn.Module, last: str) -> nn.Sequential:
    """The children of ``whole`` up to and including ``last``, under their names."""
    outer, _, inner = last.partition(".")
    kept: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in whole.named_children():
        kept[name] = child
        if name == outer:
            break
    if inner:
        sequence = kept[outer]
        assert isinstance(sequence, nn.Sequential)
        kept[outer] = sequence[: int(inner) + 1]
    return nn.Sequential(kept)

"""The network that turns an image into a map of normalized features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from qaconv_reid.models.backbones import Stage, build_backbone, keys_behind
from qaconv_reid.models.packaged import find_weights
from qaconv_reid.models.weights import LoadReport, load_weights

__all__ = ["FeatureMapNetwork", "build_network"]

_TIMM = "timm:"


class FeatureMapNetwork(nn.Module):
    """Backbone, a 3×3 convolution as neck, L2 normalization of every location.

    In training mode the backbone stays in evaluation mode. Its weights are trained, but batch norms
    keep the pretrained statistics, which generalizes better to other data sets (Liao & Shao, CVPR
    2022), and nothing is dropped. Before release 2.1 of the authors' code the norms were in
    training mode, and another one followed the neck.

    Args:
        backbone: maps ``[B, 3, H, W]`` to ``[B, channels, ⌈H/stride⌉, ⌈W/stride⌉]``.
        channels: channels of the backbone's maps.
        stride: input pixels per location of the maps.
        neck_features: channels after the neck; 0 for no neck.
        neck_norm: a batch norm behind the neck, which then has no bias; without a neck, behind the
            backbone.
        freeze_norms: the backbone's batch norms stay in evaluation mode.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        stride: int,
        neck_features: int = 128,
        *,
        neck_norm: bool = False,
        freeze_norms: bool = True,
    ) -> None:
        super().__init__()
        if neck_features < 0:
            raise ValueError(f"neck_features: got {neck_features}, wanted 0 (no neck) or more")
        self.backbone = backbone
        self.freeze_norms = freeze_norms
        self.neck: nn.Module = nn.Identity()
        if neck_features and neck_norm:
            convolution = nn.Conv2d(channels, neck_features, 3, padding=1, bias=False)
            norm = nn.BatchNorm2d(neck_features)
            self.neck = nn.Sequential(OrderedDict(convolution=convolution, norm=norm))
        elif neck_norm:
            self.neck = nn.BatchNorm2d(channels)
        elif neck_features:
            neck = nn.Conv2d(channels, neck_features, kernel_size=3, padding=1)
            # torch's random bias would be all that is left after the normalization, the same map
            # for every image, where a backbone's features are small: 1e-6 in a random MobileNetV2.
            assert neck.bias is not None
            nn.init.zeros_(neck.bias)
            self.neck = neck
        #: What `build_network` filled the backbone with; None for random numbers.
        self.pretrained: LoadReport | None = None
        self.num_features = neck_features or channels
        self.stride = stride

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map of an image of ``height`` × ``width`` pixels."""
        return -(-height // self.stride), -(-width // self.stride)

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps of images.

        Args:
            images: ``[B, 3, H, W]`` floating, values in [0, 1].

        Returns:
            ``[B, num_features, h, w]`` with (h, w) = ``map_size(H, W)``, every location of unit
            length (or zero), float32 also under autocast (float64 for a float64 network).

        Raises:
            ValueError: ``images`` has another shape.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(f"images: got shape {list(images.shape)}, wanted [B, 3, H, W]")
        maps: Tensor = self.neck(self.backbone(images))
        # In float16 the squares of small features vanish and those of large ones overflow. Autocast
        # leaves the normalization in the type it is given.
        return normalize(maps.to(torch.promote_types(maps.dtype, torch.float32)), dim=1)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the network; the backbone stays in evaluation mode.

        So do its batch norms, unless they are not frozen.
        """
        super().train(mode)
        self.backbone.eval()
        if not self.freeze_norms:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.train(mode)
        return self

    def moving(self) -> list[Tensor]:
        """The buffers that a forward pass moves in training mode: statistics of batch norms."""
        norms = [module for module in self.modules() if isinstance(module, _BatchNorm)]
        parts = [norm for norm in norms if norm.training]
        return [buffer for norm in parts for buffer in norm.buffers()]


def build_network(
    name: str,
    *,
    stage: str = "layer3",
    neck_features: int = 128,
    neck_norm: bool = False,
    freeze_norms: bool = True,
    weights: str | Path | None = None,
    part_of_weights: str | None = None,
) -> FeatureMapNetwork:
    """A network with a backbone of `BACKBONES` or of timm.

    Its weights lie channels last, and so do the maps: what the convolutions of oneDNN and cuDNN are
    fastest with.

    Args:
        name: the backbone, such as ``"resnet50_ibn_b"``, or ``"timm:NAME"``.
        stage: where it is cut: ``"layer2"``, ``"layer3"`` or ``"layer4"`` for stride 8, 16 or 32;
            those of timm have others as well (`build_timm`).
        neck_features: channels of the maps; 0 for the backbone's own.
        neck_norm: a batch norm behind the neck, or behind the backbone where there is none.
        freeze_norms: the backbone's batch norms keep their statistics in training.
        weights: file with the backbone's pretrained weights or ``package:NAME`` or
            ``auto`` (see `find_weights`); None leaves it random.
        part_of_weights: of a file that has the backbone several times: below this name.

    Raises:
        ValueError: no such backbone or stage, or the weights do not fit.
        FileNotFoundError: no such weight file.
    """
    path = None if weights is None else find_weights(weights, name)
    backbone, cut, fill = _open(name, stage, part_of_weights)
    network = FeatureMapNetwork(
        backbone,
        cut.channels,
        cut.stride,
        neck_features,
        neck_norm=neck_norm,
        freeze_norms=freeze_norms,
    )
    if path is not None:
        network.pretrained = fill(path)
    return network.to(memory_format=torch.channels_last)


def _open(
    name: str, stage: str, part: str | None
) -> tuple[nn.Module, Stage, Callable[[Path], LoadReport]]:
    """A backbone, what it gives, and how it is filled from a file."""
    if not name.startswith(_TIMM):
        own, cut = build_backbone(name, stage)
        behind = keys_behind(name, stage)
        return own, cut, lambda path: load_weights(own, path, ignore=behind, part=part)
    try:
        from qaconv_reid.models.timm_backbone import build_timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ValueError(
            f"backbone: got {name!r}, and timm is not installed (pip install 'qaconv-ext[timm]')"
        ) from None
    backbone, cut = build_timm(name.removeprefix(_TIMM), stage)
    return backbone, cut, lambda path: backbone.load(path, part)

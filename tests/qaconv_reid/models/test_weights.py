import copy
import re

import pytest
import safetensors.torch
import torch
import torchvision

from qaconv_reid.models import build_network
from qaconv_reid.models.backbones import build_backbone, keys_behind
from qaconv_reid.models.weights import load_weights


@pytest.fixture(scope="module")
def whole():
    """A whole ResNet-18 with statistics that are not the initial ones."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None)
    network(torch.rand(4, 3, 64, 32))
    return network.eval()


def kept_part(whole, images):
    for name, child in whole.named_children():
        images = child(images)
        if name == "layer3":
            return images
    raise AssertionError


@pytest.mark.parametrize("kind", ["pth", "safetensors", "wrapped", "module", "pth.tar"])
def test_a_whole_networks_file_gives_its_features(whole, tmp_path, kind):
    tensors = whole.state_dict()
    path = tmp_path / f"weights.{kind if '.' in kind or kind == 'safetensors' else 'pth'}"
    if kind == "safetensors":
        safetensors.torch.save_file(tensors, path)
    elif kind == "wrapped":
        torch.save({"epoch": 3, "state_dict": tensors}, path)
    elif kind == "module":
        torch.save({"state_dict": {f"module.{k}": v for k, v in tensors.items()}}, path)
    else:
        torch.save(tensors, path)
    network = build_network("resnet18", weights=path).eval()
    images = torch.rand(2, 3, 64, 32)
    # In another layout of memory sums run in another order.
    same_layout = copy.deepcopy(whole).to(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(
            network.backbone(images), kept_part(same_layout, images), rtol=0, atol=0
        )


def test_older_files_lack_the_batch_counters(whole, tmp_path):
    tensors = {k: v for k, v in whole.state_dict().items() if "num_batches" not in k}
    torch.save(tensors, tmp_path / "old.pth")
    network = build_network("resnet18", weights=tmp_path / "old.pth")
    torch.testing.assert_close(network.backbone.bn1.running_mean, whole.bn1.running_mean)


@pytest.mark.parametrize("name", ["resnet18_ibn_a", "resnet18_ibn_b"])
def test_ibn_files_load(name, tmp_path):
    first, _ = build_backbone(name, "layer4")
    tensors = first.state_dict() | {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    torch.save(tensors, tmp_path / "ibn.pth")
    second = build_network(name, weights=tmp_path / "ibn.pth").backbone
    for key, value in second.state_dict().items():
        assert torch.equal(value, tensors[key])


def complaint(tmp_path, tensors):
    path = tmp_path / "bad.pth"
    torch.save(tensors, path)
    backbone, _ = build_backbone("resnet18", "layer2")
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    with pytest.raises(ValueError, match="which does not fit the backbone") as caught:
        load_weights(backbone, path, ignore=keys_behind("resnet18", "layer2"))
    after = backbone.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    return str(caught.value)


def test_missing_keys_are_named_the_first_few(whole, tmp_path):
    tensors = {k: v for k, v in whole.state_dict().items() if not k.startswith("layer1")}
    text = complaint(tmp_path, tensors)
    assert "missing layer1.0.conv1.weight, layer1.0.bn1.weight" in text
    assert re.search(r"and \d+ more", text)
    assert "unexpected" not in text


def test_unexpected_keys_are_named(whole, tmp_path):
    text = complaint(tmp_path, {**whole.state_dict(), "neck.weight": torch.zeros(1)})
    assert text.endswith("unexpected neck.weight")


def test_shapes_are_compared(whole, tmp_path):
    text = complaint(tmp_path, {**whole.state_dict(), "bn1.weight": torch.zeros(3)})
    assert text.endswith("of another shape bn1.weight [3] for [64]")


def test_another_networks_file_is_refused(whole, tmp_path):
    torch.save(whole.state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(
        ValueError, match=r"missing features\.0\.0\.weight.*unexpected conv1\.weight"
    ):
        build_network("mobilenet_v2", weights=tmp_path / "resnet18.pth")


def flat_name(name):
    """torchvision's MobileNetV2 names in the older layout, where a block is one flat sequence."""
    nested = re.fullmatch(r"features\.(\d+)\.conv\.(.+)\.(\w+)", name)
    if nested is None:
        return name
    order = ["0.0", "0.1", "1", "2"] if nested[1] == "1" else ["0.0", "0.1", "1.0", "1.1", "2", "3"]
    places = [0, 1, 3, 4, 6, 7]
    return f"features.{nested[1]}.conv.{places[order.index(nested[2])]}.{nested[3]}"


@pytest.mark.parametrize("flat", [True, False])
def test_mobilenet_files_of_both_layouts_load(tmp_path, flat):
    tensors = torchvision.models.mobilenet_v2(weights=None).state_dict()
    saved = {flat_name(k) if flat else k: v for k, v in tensors.items()}
    assert (saved.keys() != tensors.keys()) == flat
    torch.save(saved, tmp_path / "mobilenet.pt")
    backbone = build_network("mobilenet_v2", weights=tmp_path / "mobilenet.pt").backbone
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, tensors[key]), key

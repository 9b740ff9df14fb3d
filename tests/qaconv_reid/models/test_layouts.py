"""Whose file it is, what its names become, and what is told of it."""

import pytest
import torch
import torchvision
from torch import nn

from qaconv_reid.models import BACKBONES, build_network
from qaconv_reid.models.backbones import build_backbone, keys_behind
from qaconv_reid.models.layouts import LAYOUTS, read_weights
from qaconv_reid.models.weights import load_weights


def whole(name):
    """Random weights of a whole network, each tensor another one."""
    torch.manual_seed(0)
    tensors = BACKBONES[name].build().state_dict()
    return {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in tensors.items()}


def below(prefix, tensors):
    return {prefix + name: value for name, value in tensors.items()}


def without(prefix, tensors):
    return {name: value for name, value in tensors.items() if not name.startswith(prefix)}


HEAD = {"weight": torch.zeros(5, 512), "bias": torch.zeros(5)}

#: How each program saves a network: what it is called, a backbone, the file's content.
FILES = {
    "torchvision": lambda: ("resnet18", whole("resnet18")),
    "IBN-Net": lambda: ("resnet18_ibn_b", {"state_dict": whole("resnet18_ibn_b")}),
    "torchreid": lambda: (
        "resnet18",
        {
            "state_dict": without("fc.", whole("resnet18")) | below("classifier.", HEAD),
            "epoch": 60,
            "rank1": 0.9,
        },
    ),
    "fast-reid": lambda: (
        "resnet18_ibn_a",
        {
            "model": below("backbone.", without("fc.", whole("resnet18_ibn_a")))
            | below("heads.classifier.", HEAD)
            | {"pixel_mean": torch.zeros(1, 3, 1, 1)},
            "iteration": 100,
        },
    ),
    "QAConv's authors": lambda: (
        "resnet18_ibn_b",
        {
            "model": below("base.", whole("resnet18_ibn_b"))
            | {"neck_conv.weight": torch.zeros(8, 256, 3, 3), "neck_conv.bias": torch.zeros(8)},
            "criterion": {},
            "epoch": 3,
        },
    ),
    "qaconv": lambda: (
        "resnet18",
        below("network.backbone.", build_backbone("resnet18")[0].state_dict())
        | {"network.neck.weight": torch.zeros(8), "matcher.fc.weight": torch.zeros(1, 8)},
    ),
}


def unwrapped(content):
    for key in ("state_dict", "model"):
        content = content.get(key, content)
    return content


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("parallel", [False, True])
def test_a_file_of_each_program_fills_the_backbone(tmp_path, layout, parallel):
    name, content = FILES[layout]()
    if parallel:
        content = {"model": below("module.", unwrapped(content))}
    torch.save(content, tmp_path / "file.pth")

    network = build_network(name, weights=tmp_path / "file.pth")

    report = network.pretrained
    assert report.layout == layout
    # Each tensor of the backbone is the file's own.
    by_name = {key: network.backbone.state_dict()[key] for key in report.loaded}
    sources = {key: source for source, key in report.renamed}
    given = unwrapped(content)
    for key, value in by_name.items():
        assert torch.equal(value, given[sources.get(key, key)]), key
    assert set(by_name) == set(network.backbone.state_dict())
    # And nothing of the file is passed over in silence.
    told = {sources.get(key, key) for key in report.loaded} | set(report.left_out)
    assert told >= set(given)


def test_what_is_told_of_a_file(tmp_path):
    _, content = FILES["fast-reid"]()
    torch.save(content, tmp_path / "model_best.pth")
    backbone, _ = build_backbone("resnet18_ibn_a")
    report = load_weights(
        backbone, tmp_path / "model_best.pth", ignore=keys_behind("resnet18_ibn_a", "layer3")
    )
    count = len(backbone.state_dict())
    assert (report.layout, len(report.loaded), len(report.renamed)) == ("fast-reid", count, count)
    assert ("backbone.conv1.weight", "conv1.weight") in report.renamed
    kinds = {name.removeprefix("backbone.").partition(".")[0] for name in report.left_out}
    assert kinds == {"layer4", "heads", "pixel_mean", "iteration"}
    assert str(report) == (
        f"fast-reid: {count} tensors, {count} renamed, {len(report.left_out)} left out "
        "(backbone, heads, iteration, pixel_mean)"
    )


def test_names_of_no_known_program_are_taken_as_they_are(tmp_path):
    torch.save({"trunk.0.weight": torch.zeros(2), "trunk.0.bias": torch.ones(2)}, tmp_path / "p.pt")
    read = read_weights(tmp_path / "p.pt")
    assert read.layout == "plain"
    assert set(read.tensors) == {"trunk.0.weight", "trunk.0.bias"}
    module = nn.Module()
    module.trunk = nn.Sequential(nn.LayerNorm(2))
    report = load_weights(module, tmp_path / "p.pt")
    assert (report.renamed, report.left_out) == ((), ())
    assert torch.equal(module.trunk[0].bias, torch.ones(2))


def test_whole_networks_of_torchvision_are_recognized(tmp_path):
    for network in (torchvision.models.resnet18(), torchvision.models.mobilenet_v2()):
        torch.save(network.state_dict(), tmp_path / "w.pth")
        read = read_weights(tmp_path / "w.pth")
        assert read.layout == "torchvision"
        assert read.sources == {name: name for name in network.state_dict()}


def test_every_layout_has_a_file_here():
    # In test_weights.py, test_efficientnet.py, and above.
    elsewhere = {"MobileNetV2, flat", "EfficientNet-PyTorch", "plain"}
    assert {layout.name for layout in LAYOUTS} == FILES.keys() | elsewhere


def test_a_part_of_another_kind_among_the_tensors_is_named(tmp_path):
    torch.save({"model": {"a": torch.zeros(1), "b": 3}}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"weights: got int under 'b' in .*wanted a tensor"):
        read_weights(tmp_path / "w.pth")

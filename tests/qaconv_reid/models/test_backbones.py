import re

import pytest
import torch
import torchvision
from torch import nn

from qaconv_reid.models import BACKBONES
from qaconv_reid.models.backbones import build_backbone, keys_behind
from qaconv_reid.models.ibn import IBN, InstanceNormBlock, to_ibn_b

HEIGHT, WIDTH = 64, 32


def on_meta(name, stage):
    """Shapes and names without the numbers: fast for every depth."""
    with torch.device("meta"):
        return build_backbone(name, stage)


# The depths differ in nothing but repeats, and building them takes time: each once, few thrice.
THRICE = ["resnet18", "resnet50", "resnet18_ibn_b", "resnet50_ibn_a", "mobilenet_v2"]
THRICE += ["efficientnet_lite0"]
CUTS = [(name, "layer3") for name in BACKBONES]
CUTS += [(name, stage) for name in THRICE for stage in ("layer2", "layer4")]


@pytest.mark.parametrize(("name", "stage"), CUTS)
def test_a_cut_gives_the_channels_and_the_stride_it_says(name, stage):
    backbone, place = on_meta(name, stage)
    maps = backbone(torch.zeros(2, 3, HEIGHT, WIDTH, device="meta"))
    assert maps.shape == (2, place.channels, HEIGHT // place.stride, WIDTH // place.stride)
    assert place.stride == {"layer2": 8, "layer3": 16, "layer4": 32}[stage]


def test_the_channels_of_each_kind_at_stride_16():
    channels = {name: backbone.stage("layer3").channels for name, backbone in BACKBONES.items()}
    for name, number in channels.items():
        if name.startswith(("resnet18", "resnet34")):
            assert number == 256
        elif name.startswith("resnet"):
            assert number == 1024
    assert (channels["mobilenet_v2"], channels["efficientnet_lite0"]) == (96, 112)


@pytest.mark.parametrize(
    ("name", "stage"),
    [cut for cut in CUTS if "ibn" not in cut[0] and hasattr(torchvision.models, cut[0])],
)
def test_kept_keys_are_those_of_torchvision(name, stage):
    backbone, _ = on_meta(name, stage)
    with torch.device("meta"):
        whole = getattr(torchvision.models, name)(weights=None).state_dict()
    kept = backbone.state_dict()
    assert {key: value.shape for key, value in kept.items()} == {
        key: value.shape for key, value in whole.items() if key in kept
    }
    assert keys_behind(name, stage) == set(whole) - set(kept)


def test_keys_behind_a_cut_are_the_later_stages_and_the_classifier():
    behind = keys_behind("resnet18", "layer3")
    assert {key.partition(".")[0] for key in behind} == {"layer4", "fc"}
    assert not keys_behind("mobilenet_v2", "layer3") & set(
        on_meta("mobilenet_v2", "layer3")[0].state_dict()
    )


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_ibn_a_keys_are_those_published(depth):
    keys = set(on_meta(f"resnet{depth}_ibn_a", "layer4")[0].state_dict())
    plain = set(on_meta(f"resnet{depth}", "layer4")[0].state_dict())
    expected = set()
    for key in plain:
        # The first norm of each block of layers 1 to 3, and nothing of the stem or layer 4.
        block = re.fullmatch(r"(layer[123]\.\d+\.bn1)\.(\w+)", key)
        if block is None:
            expected.add(key)
        else:
            expected.add(f"{block[1]}.BN.{block[2]}")
            if block[2] in ("weight", "bias"):
                expected.add(f"{block[1]}.IN.{block[2]}")
    assert keys == expected


@pytest.mark.parametrize(
    ("depth", "last"), [(18, (1, 1)), (34, (2, 3)), (50, (2, 3)), (152, (2, 7))]
)
def test_ibn_b_keys_are_those_published(depth, last):
    keys = set(on_meta(f"resnet{depth}_ibn_b", "layer4")[0].state_dict())
    plain = set(on_meta(f"resnet{depth}", "layer4")[0].state_dict())
    # The stem's instance norm has no statistics.
    expected = plain - {f"bn1.{k}" for k in ("running_mean", "running_var", "num_batches_tracked")}
    for layer, block in zip((1, 2), last, strict=True):
        expected |= {f"layer{layer}.{block}.IN.{k}" for k in ("weight", "bias")}
    assert keys == expected


def test_ibn_normalizes_half_by_image_and_half_by_statistics():
    ibn = IBN(6).eval().requires_grad_(False)
    maps = torch.randn(2, 6, 5, 4) * 3 + 1
    out = ibn(maps)
    mean = maps[:, :3].mean((2, 3), keepdim=True)
    var = maps[:, :3].var((2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(out[:, :3], (maps[:, :3] - mean) / (var + 1e-5).sqrt())
    torch.testing.assert_close(out[:, 3:], maps[:, 3:] / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("depth", [18, 50])
def test_instance_norm_block_is_the_block_with_a_norm_before_the_last_relu(depth):
    whole = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    for projects, block in ((True, whole.layer2[0]), (False, whole.layer2[1])):
        channels = 64 * (4 if depth == 50 else 1) if projects else 128 * (4 if depth == 50 else 1)
        maps = torch.randn(2, channels, 8, 4)
        before_relu = []
        # The block's last ReLU is in place, so its input is taken before it runs.
        handle = block.relu.register_forward_pre_hook(
            lambda _, inputs, kept=before_relu: kept.append(inputs[0].clone())
        )
        block(maps)
        handle.remove()
        added = InstanceNormBlock(block).eval()
        expected = nn.functional.instance_norm(before_relu[-1]).relu()
        torch.testing.assert_close(added(maps), expected)


def test_ibn_b_changes_only_the_last_block_of_two_layers():
    with torch.device("meta"):
        resnet = to_ibn_b(torchvision.models.resnet34(weights=None))
    changed = [name for name, part in resnet.named_modules() if isinstance(part, InstanceNormBlock)]
    assert changed == ["layer1.2", "layer2.3"]


def test_unknown_names_are_answered_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"backbone: got 'resnet51', wanted timm:NAME or one of resnet18, "
    ):
        build_backbone("resnet51")
    with pytest.raises(
        ValueError, match="stage: got 'layer5', wanted one of layer2, layer3, layer4"
    ):
        build_backbone("resnet18", "layer5")

"""Networks of timm: the promised map, nothing dropped, files of theirs; small and random."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from qaconv_reid.models import build_network

timm = pytest.importorskip("timm")

HEIGHT, WIDTH = 128, 64


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    return build_network("timm:vit_tiny_patch16_224", neck_features=0)


@pytest.mark.parametrize(
    ("name", "stage", "channels", "stride"),
    [
        ("vit_tiny_patch16_224", "layer3", 192, 16),
        ("vit_tiny_patch16_224", "feature3", 192, 16),
        ("vit_small_patch14_dinov2.lvd142m", "last", 384, 14),
        ("vit_small_patch14_reg4_dinov2", "last", 384, 14),
        ("vit_small_patch16_dinov3", "layer3", 384, 16),
        ("vit_base_patch16_clip_224.openai", "layer3", 768, 16),
        ("eva02_tiny_patch14_224", "feature6", 192, 14),
        ("convnext_atto", "layer3", 160, 16),
        ("convnext_atto", "last", 320, 32),
        ("resnet18", "layer2", 128, 8),
        ("resnet18", "feature2", 64, 4),
        ("swin_tiny_patch4_window7_224", "layer4", 768, 32),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (61, 35)])
def test_the_map_has_the_promised_size(name, stage, channels, stride, height, width):
    with torch.device("meta"):
        network = build_network(f"timm:{name}", stage=stage, neck_features=0)
        maps = network(torch.zeros(2, 3, height, width))
    assert (network.num_features, network.stride) == (channels, stride)
    assert maps.shape == (2, channels, *network.map_size(height, width))
    assert network.map_size(height, width) == (-(-height // stride), -(-width // stride))


def test_the_map_is_the_grid_of_the_patch_tokens(vit):
    """Against the network itself at its own size, where nothing is resized."""
    whole = timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()
    whole.load_state_dict(vit.backbone.model.state_dict(), strict=False)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        tokens = whole.forward_features((images - 0.5) / 0.5)[:, 1:]
        expected = tokens.transpose(1, 2).unflatten(2, (14, 14))
        torch.testing.assert_close(vit.eval().backbone(images), expected, rtol=1e-4, atol=1e-4)


def test_position_embeddings_are_resized_and_not_cut(vit):
    """A map of another size is near the one of the same image at the network's own size."""
    with torch.no_grad():
        vit.backbone.model.pos_embed.normal_(0, 1)
        positions = vit.backbone.model.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (14, 14))
        blank = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
        embedded = vit.backbone.model.patch_embed((blank - 0.5) / 0.5)
        resized = vit.backbone.model._pos_embed(embedded)[:, 1:] - embedded.flatten(1, 2)
    expected = nn.functional.interpolate(positions, (8, 4), mode="bicubic", antialias=True)
    torch.testing.assert_close(
        resized.transpose(1, 2).unflatten(2, (8, 4)), expected, rtol=1e-3, atol=1e-3
    )


def test_nothing_is_dropped_while_training():
    network = build_network("timm:vit_tiny_patch16_224", stage="feature2", neck_features=8)
    for part in network.backbone.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.5
    network.train()
    assert network.training
    assert not any(part.training for part in network.backbone.modules())
    images = torch.rand(1, 3, HEIGHT, WIDTH)
    first, second = network(images), network(images)
    assert torch.equal(first, second)
    first.sum().backward()
    assert network.backbone.model.patch_embed.proj.weight.grad is not None


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnet18"])
def test_a_file_of_timm_fills_the_kept_part(tmp_path, name):
    torch.manual_seed(1)
    whole = timm.create_model(name, num_classes=7)
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    network = build_network(f"timm:{name}", weights=tmp_path / "w.pth")
    kept = network.backbone.model.state_dict()
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in kept.items())
    report = network.pretrained
    assert set(report.loaded) == set(kept)
    assert set(report.left_out) == set(whole.state_dict()) - set(kept)


def test_position_embeddings_of_a_file_for_another_size_are_resized(tmp_path):
    whole = timm.create_model("vit_tiny_patch16_224", img_size=256)
    torch.save({"model": whole.state_dict()}, tmp_path / "w.pth")
    network = build_network("timm:vit_tiny_patch16_224", weights=tmp_path / "w.pth")
    assert whole.pos_embed.shape == (1, 257, 192)
    assert network.backbone.model.pos_embed.shape == (1, 197, 192)
    assert torch.equal(network.backbone.model.cls_token, whole.cls_token)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match="which does not fit the backbone: missing"):
        build_network("timm:convnext_atto", weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "stage", "said"),
    [
        ("vit_tiny_patch16", "last", r"backbone: got 'timm:vit_tiny_patch16', .*mean timm:vit_"),
        ("vit_tiny_patch16_224.none", "last", "backbone: got 'timm:vit_tiny_patch16_224.none'"),
        ("hf-hub:timm/resnet18", "last", "wanted a network of timm"),
        ("mixer_s16_224", "last", "does not take images of 128 × 64"),
        ("vit_tiny_patch16_224", "layer2", r"feature1 to feature12 \(stride 16\)"),
        ("resnet18", "layer5", r"wanted last or one of feature1 \(stride 2\), feature2 \(stride 4"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(name, stage, said):
    with pytest.raises(ValueError, match=said) as caught:
        build_network(f"timm:{name}", stage=stage)
    assert "\n" not in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "qaconv_reid.models.timm_backbone", raising=False)
    with pytest.raises(ValueError, match=r"got 'timm:resnet18', .*'qaconv-ext\[timm\]'"):
        build_network("timm:resnet18")


def test_timm_is_imported_only_for_its_networks():
    script = (
        "import sys; from qaconv_reid.models import build_network\n"
        "build_network('resnet18'); print('timm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"

"""Where in a file the backbone stands, whatever lies around it."""

from __future__ import annotations

import pytest
import torch

from qaconv_reid.models import build_network
from qaconv_reid.models.backbones import build_backbone


def weights(value=0.0):
    tensors = build_backbone("resnet18")[0].state_dict()
    return {k: v + value if v.is_floating_point() else v for k, v in tensors.items()}


def below(prefix, tensors):
    return {prefix + name: value for name, value in tensors.items()}


def fill(tmp_path, content, part=None):
    torch.save(content, tmp_path / "w.pth")
    network = build_network(
        "resnet18", neck_features=0, weights=tmp_path / "w.pth", part_of_weights=part
    )
    return network.backbone.state_dict()["conv1.weight"], network.pretrained


MINE = weights()
OTHER = weights(1.0)


@pytest.mark.parametrize(
    ("content", "layout", "left_out"),
    [
        ({"model": below("base.", MINE)}, "QAConv's authors", []),
        ({"model": below("module.backbone.", MINE)}, "fast-reid", []),
        ({"student": MINE, "epoch": 3}, "torchvision", ["epoch"]),
        ({"net": below("_orig_mod.", MINE)}, "torchvision, below net._orig_mod", []),
        (
            {"state_dict": below("a.b.", MINE) | {"a.queue": torch.zeros(1)}},
            "torchvision, below state_dict.a.b",
            ["a.queue"],
        ),
        ({"x": {"y": {"z": below("trunk.", MINE)}}}, "torchvision, below x.y.z.trunk", []),
        # Of two networks one has other shapes.
        (
            {"teacher": below("t.", {k: v[None] for k, v in OTHER.items()}), "student": MINE},
            "torchvision",
            ["teacher"],
        ),
        # The same tensors twice are one network.
        ({"model": MINE, "ema": {k: v.clone() for k, v in MINE.items()}}, "torchvision", ["ema"]),
    ],
)
def test_the_one_place_is_found_and_said(tmp_path, content, layout, left_out):
    filled, report = fill(tmp_path, content)
    assert torch.equal(filled, MINE["conv1.weight"])
    assert report.layout == layout
    assert list(report.left_out) == left_out


TWICE = {
    "state_dict": below("module.encoder_q.", MINE) | below("module.encoder_k.", OTHER),
    "epoch": 3,
}


def test_of_two_it_is_asked_which(tmp_path):
    with pytest.raises(ValueError, match=r"part_of_weights: got nothing, .* 2 times") as caught:
        fill(tmp_path, TWICE)
    assert str(caught.value).endswith(
        "wanted one of state_dict.module.encoder_q, state_dict.module.encoder_k"
    )


@pytest.mark.parametrize(
    ("part", "value"),
    [("state_dict.module.encoder_q", MINE), ("state_dict.module.encoder_k", OTHER)],
)
def test_the_one_that_is_named_is_taken(tmp_path, part, value):
    filled, report = fill(tmp_path, TWICE, part)
    assert torch.equal(filled, value["conv1.weight"])
    assert report.layout.endswith(f"below {part}")


def test_the_beginning_of_its_name_is_enough(tmp_path):
    content = {"teacher": below("backbone.", MINE), "student": below("backbone.", OTHER)}
    filled, _ = fill(tmp_path, content, "student")
    assert torch.equal(filled, OTHER["conv1.weight"])


@pytest.mark.parametrize("part", ["state_dict", "nowhere", "", "state_dict.module.enc"])
def test_a_name_of_none_or_of_both_is_refused(tmp_path, part):
    with pytest.raises(ValueError, match=r"part_of_weights: got .*encoder_q.*encoder_k"):
        fill(tmp_path, TWICE, part)


def test_what_stands_below_it_and_is_not_the_backbones_is_refused(tmp_path):
    content = {"student": below("net.", MINE) | {"net.layer9.weight": torch.zeros(1)}}
    with pytest.raises(ValueError, match=r"unexpected layer9\.weight"):
        fill(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.to(torch.int8), "of another type conv1.weight int8 for float32"),
        (lambda v: v.to(torch.complex64), "of another type conv1.weight complex64 for float32"),
        (lambda v: v.to_sparse(), "of another type conv1.weight sparse_coo float32 for float32"),
        (lambda v: v.to("meta"), "of another type conv1.weight meta float32 for float32"),
        (lambda v: v * float("nan"), "not finite conv1.weight"),
        (lambda v: v + float("inf"), "not finite conv1.weight"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path, change, said):
    with pytest.raises(ValueError, match="which does not fit the backbone") as caught:
        fill(tmp_path, {**MINE, "conv1.weight": change(MINE["conv1.weight"])})
    assert str(caught.value).endswith(said)


def test_half_precision_is_taken(tmp_path):
    filled, _ = fill(
        tmp_path, {k: v.half() if v.is_floating_point() else v for k, v in MINE.items()}
    )
    assert torch.equal(filled, MINE["conv1.weight"].half().float())

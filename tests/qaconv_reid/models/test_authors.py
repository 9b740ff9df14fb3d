"""The authors' checkpoint, in mock: their names around the weights of our own models."""

import pytest
import torch

from qaconv_ext.qaconv import QAConv
from qaconv_reid.models import build_network, read_authors
from support.foreign import authors_document


def models(name="resnet18_ibn_b", stage="layer3", neck=6, hw=(4, 2)):
    network = build_network(name, stage=stage, neck_features=neck)
    return network, QAConv(network.num_features, *hw)


@pytest.mark.parametrize(
    ("name", "stage", "neck"),
    [
        ("resnet18", "layer2", 5),
        ("resnet18_ibn_a", "layer4", 4),
        ("resnet34", "layer3", 6),
        ("resnet50_ibn_b", "layer3", 128),
    ],
)
def test_the_network_is_recognized(tmp_path, name, stage, neck):
    network, matcher = models(name, stage, neck)
    torch.save(authors_document(network, matcher, name, epoch=7), tmp_path / "checkpoint.pth.tar")

    found = read_authors(tmp_path / "checkpoint.pth.tar")

    assert (found.backbone, found.stage, found.neck_features) == (name, stage, neck)
    assert (found.locations, found.epochs) == (8, 7)
    second, head = models(name, stage, neck)
    report = found.fill(second, head, stage)
    for filled, wanted in ((second, network), (head, matcher)):
        for key, value in filled.state_dict().items():
            assert torch.equal(value, wanted.state_dict()[key]), key
    assert len(report.loaded) == len(network.state_dict()) + len(matcher.state_dict())
    assert ("neck_conv.weight", "neck.weight") in report.renamed
    assert {"base.fc.weight", "optim", "base_loss"} <= set(report.left_out)


def test_names_below_module_and_a_network_without_a_neck(tmp_path):
    network, matcher = models(neck=0)
    document = authors_document(network, matcher, "resnet18_ibn_b")
    for part in ("model", "criterion"):
        document[part] = {f"module.{key}": value for key, value in document[part].items()}
    torch.save(document, tmp_path / "c.pth.tar")
    found = read_authors(tmp_path / "c.pth.tar")
    assert (found.backbone, found.stage, found.neck_features) == ("resnet18_ibn_b", None, 0)
    second, head = models(neck=0)
    found.fill(second, head, "layer3")
    images = torch.rand(1, 3, 64, 32)
    assert torch.equal(second.eval()(images), network.eval()(images))


def damaged(change):
    network, matcher = models("resnet18")
    document = authors_document(network, matcher, "resnet18")
    change(document)
    return document


def old_head(document):
    document["criterion"]["matcher.fc.weight"] = torch.zeros(1, 16)
    document["model"]["neck_bn.weight"] = torch.zeros(6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("criterion"), "got a file without a matcher"),
        (lambda d: d.update(model={"backbone.conv1.weight": torch.zeros(1)}), "without a matcher"),
        (old_head, "release before 2.1"),
        (lambda d: d.update(criterion={"fc.weight": torch.zeros(1, 16)}), "release before 2.1"),
        (lambda d: d["model"].pop("base.layer1.0.conv1.weight"), "none of resnet18, resnet34"),
        (lambda d: d["model"].update({"neck_conv.weight": torch.zeros(6, 7, 3, 3)}), "neck of 7"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path, change, said):
    torch.save(damaged(change), tmp_path / "c.pth.tar")
    with pytest.raises(ValueError, match=said) as caught:
        read_authors(tmp_path / "c.pth.tar")
    assert "\n" not in str(caught.value)


def test_a_matcher_of_other_keys_leaves_both_models_as_they_were(tmp_path):
    torch.save(damaged(lambda d: d["criterion"].pop("matcher.bn.weight")), tmp_path / "c.pth.tar")
    network, matcher = models("resnet18")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"does not fit the matcher: missing bn\.weight"):
        read_authors(tmp_path / "c.pth.tar").fill(network, matcher, "layer3")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())

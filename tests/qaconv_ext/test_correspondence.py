"""A score taken apart: the parts add up, and the positions that belong together are found."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from qaconv_ext import backend
from qaconv_ext.correspondence import (
    correspondences,
    correspondences_of_pairs,
    ordinary_maximum,
)
from qaconv_ext.qaconv import QAConv
from support.cases import DTYPES
from support.devices import on_every_device

HEIGHT, WIDTH, CHANNELS = 5, 3, 7


@pytest.fixture(params=["auto", "reference"], autouse=True)
def a_backend(request):
    backend.set_backend(request.param)
    yield
    backend.set_backend("auto")


def a_matcher(device="cpu", separate=False):
    torch.manual_seed(1)
    matcher = QAConv(CHANNELS, HEIGHT, WIDTH, separate_weights=separate)
    with torch.no_grad():
        for parameter in matcher.parameters():
            parameter.uniform_(-1, 1)  # of both signs
        for norm in (matcher.bn, matcher.logit_bn):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 2)
    return matcher.to(device).eval()


def some_maps(count, seed, device="cpu", dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, CHANNELS, HEIGHT, WIDTH, generator=generator)
    return nn.functional.normalize(maps, dim=1).to(device, dtype)


@on_every_device
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("base", [0.0, 0.4])
@pytest.mark.parametrize("separate", [False, True], ids=["one", "separate"])
def test_the_parts_add_up_to_the_score(device, dtype, base, separate):
    matcher = a_matcher(device, separate)
    probe, gallery = some_maps(4, 2, device, dtype), some_maps(4, 3, device, dtype)
    with torch.no_grad():
        scores = matcher(probe, gallery).diagonal()
    found = correspondences_of_pairs(matcher, probe, gallery, base=base)
    for pair, score in zip(found, scores.tolist(), strict=True):
        parts = pair.probe_heat.sum() + pair.gallery_heat.sum()
        assert float(parts) + pair.bias == pytest.approx(score, rel=1e-5, abs=1e-5)
        assert pair.score == pytest.approx(score, rel=1e-5, abs=1e-5)


@on_every_device
def test_heats_and_matches_by_the_whole_correlation(device):
    """Against the correlation written out, position by position."""
    matcher = a_matcher(device)
    probe, gallery = some_maps(1, 4, device)[0], some_maps(1, 5, device)[0]
    found = correspondences(matcher, probe, gallery)
    table = (probe.flatten(1).T @ gallery.flatten(1)).double().cpu()  # [probe, gallery]
    weight = matcher.folded()[0].detach().cpu()
    wanted = weight * table.amax(dim=1), weight * table.amax(dim=0)
    for heat, whole in zip((found.probe_heat, found.gallery_heat), wanted, strict=True):
        torch.testing.assert_close(heat, whole.reshape(HEIGHT, WIDTH), rtol=1e-5, atol=1e-6)
    for best, maximum, dim in (
        (found.probe_best, found.probe_maximum, 1),
        (found.gallery_best, found.gallery_maximum, 0),
    ):
        whole = table.max(dim=dim)
        assert torch.equal(best, whole.indices.reshape(HEIGHT, WIDTH))
        torch.testing.assert_close(maximum.double().flatten(), whole.values, rtol=1e-5, atol=1e-6)
    mutual = {
        (here, there)
        for here in range(HEIGHT * WIDTH)
        for there in range(HEIGHT * WIDTH)
        if table[here].argmax() == there and table[:, there].argmax() == here
    }
    assert 1 <= len(mutual) < HEIGHT * WIDTH
    assert {
        (match.probe[0] * WIDTH + match.probe[1], match.gallery[0] * WIDTH + match.gallery[1])
        for match in found.matches
    } == mutual
    for match in found.matches:
        here, there = (row * WIDTH + column for row, column in (match.probe, match.gallery))
        assert match.correlation == pytest.approx(float(table[here, there]), abs=1e-5)
        part = (weight[here] + weight[there]) * table[here, there]
        assert match.contribution == pytest.approx(float(part), abs=1e-5)


def test_a_map_matches_itself_position_by_position():
    matcher = a_matcher()
    maps = some_maps(1, 6)[0]
    found = correspondences(matcher, maps, maps)
    assert len(found.matches) == HEIGHT * WIDTH
    assert all(match.probe == match.gallery for match in found.matches)
    assert torch.equal(found.probe_heat, found.gallery_heat)


def test_the_strongest_come_first_whatever_their_sign():
    found = correspondences(a_matcher(), some_maps(1, 6)[0], some_maps(1, 6)[0])
    sizes = [abs(match.contribution) for match in found.matches]
    assert sizes == sorted(sizes, reverse=True)
    assert {math.copysign(1, match.contribution) for match in found.matches} == {1, -1}
    assert found.strongest(2) == found.matches[:2]
    assert found.strongest(threshold=sizes[3]) == found.matches[:4]
    assert found.strongest(0) == ()
    for name, arguments in (("top", {"top": -1}), ("threshold", {"threshold": math.nan})):
        with pytest.raises(ValueError, match=f"^{name}: got"):
            found.strongest(**arguments)


def test_the_mode_does_not_matter_and_stays():
    matcher, maps = a_matcher(), some_maps(2, 7)
    wanted = correspondences(matcher, maps[0], maps[1]).score
    matcher.train()
    assert correspondences(matcher, maps[0], maps[1]).score == wanted
    assert matcher.training
    assert matcher.bn.training


def test_no_pairs():
    assert correspondences_of_pairs(a_matcher(), some_maps(0, 1), some_maps(0, 1)) == []


def test_wrong_maps_are_named():
    matcher, maps = a_matcher(), some_maps(2, 8)
    with pytest.raises(TypeError, match=r"^probe: got list"):
        correspondences(matcher, [1.0], maps[0])
    with pytest.raises(ValueError, match=r"^gallery: got shape \[2, 7, 5, 3\], wanted \[7, 5, 3\]"):
        correspondences(matcher, maps[0], maps)
    with pytest.raises(ValueError, match=r"^probe: got shape \[7, 5, 2\], wanted \[7, 5, 3\]"):
        correspondences(matcher, maps[0, :, :, :2], maps[0])
    with pytest.raises(ValueError, match=r"^gallery: got 1 maps, wanted 2"):
        correspondences_of_pairs(matcher, maps, maps[:1])
    with pytest.raises(ValueError, match=r"^base: got nan"):
        correspondences(matcher, maps[0], maps[0], base=math.nan)


def test_an_ordinary_maximum_is_the_mean_of_training():
    matcher = a_matcher()
    assert ordinary_maximum(matcher) == float(matcher.bn.running_mean)
    matcher.bn = nn.BatchNorm1d(1, track_running_stats=False)
    assert ordinary_maximum(matcher) == 0


def test_the_example_of_the_page_runs():
    page = Path(__file__).resolve().parents[2] / "docs" / "report.md"
    (code,) = [part.split("```")[0] for part in page.read_text().split("```python\n")[1:]]
    probe, gallery = some_maps(2, 8)
    names = {"matcher": a_matcher(), "probe": probe, "gallery": gallery}
    exec(compile(code, str(page), "exec"), names)
    expected = names["matcher"](probe[None], gallery[None]).item()
    assert names["found"].score == pytest.approx(expected, rel=1e-5, abs=1e-5)

"""nearest_matches against sorting the whole matrix, on every device."""

from __future__ import annotations

import pytest
import torch

from qaconv_ext.qaconv import QAConv, match_scores, nearest_matches
from support.cases import Case
from support.compare import assert_same_bits
from support.devices import on_every_device

WEIGHT = torch.linspace(0.5, 1.5, 6)


def by_plain_sorting(scores, leave_out_itself, k):
    """Each row's columns by (NaN last, higher score, lower number), in plain Python."""
    rows = []
    for row, values in enumerate(scores.tolist()):
        columns = [c for c in range(len(values)) if not (leave_out_itself and c == row)]
        columns.sort(key=lambda c: (values[c] != values[c], -values[c], c))
        rows.append(columns[:k])
    return torch.tensor(rows, dtype=torch.int64).reshape(len(scores), k)


def maps_with_ties(count, device, seed):
    """Some maps come twice and more, so that scores are equal."""
    maps, _ = Case(count, 1, 5, 6, 1).maps(torch.float32, device, seed)
    maps[count // 2 :: 3] = maps[0]
    return maps


@on_every_device
@pytest.mark.parametrize("block", [1, 4, 7, 100])
@pytest.mark.parametrize("k", [0, 1, 5, 12])
def test_of_a_gallery(k, block, device):
    probe, gallery = maps_with_ties(9, device, 0), maps_with_ties(12, device, 0)
    weight = WEIGHT.to(device)
    found = nearest_matches(probe, gallery, weight, 0.5, k=k, block=block)
    scores = match_scores(probe, gallery, weight, 0.5)
    wanted = by_plain_sorting(scores, False, k)
    assert torch.equal(found.gallery_index.cpu(), wanted)
    assert_same_bits(found.scores, scores.cpu().gather(1, wanted))


@on_every_device
@pytest.mark.parametrize("block", [1, 4, 7, 100])
@pytest.mark.parametrize("k", [0, 1, 5, 12])
def test_of_itself(k, block, device):
    maps, weight = maps_with_ties(13, device, 1), WEIGHT.to(device)
    found = nearest_matches(maps, None, weight, k=k, block=block)
    scores = match_scores(maps, maps, weight)
    wanted = by_plain_sorting(scores, True, k)
    assert torch.equal(found.gallery_index.cpu(), wanted)
    assert_same_bits(found.scores, scores.cpu().gather(1, wanted))


@on_every_device
def test_nan_and_infinity_come_in_order(device):
    maps, weight = maps_with_ties(8, device, 2), WEIGHT.to(device)
    maps[3, 0, 0] = torch.nan
    maps[5] = torch.inf
    scores = match_scores(maps, maps, weight)
    for block in (3, 8):
        found = nearest_matches(maps, None, weight, k=7, block=block)
        assert torch.equal(found.gallery_index.cpu(), by_plain_sorting(scores, True, 7))
        found = nearest_matches(maps, maps, weight, k=8, block=block)
        assert torch.equal(found.gallery_index.cpu(), by_plain_sorting(scores, False, 8))


@on_every_device
def test_different_locations_and_the_matcher(device):
    probe, gallery = Case(4, 5, 3, 6, 4).maps(torch.float64, device)
    weight, other = WEIGHT.to(device), torch.ones(4, device=device)
    found = nearest_matches(probe, gallery, weight, k=2, gallery_weight=other)
    scores = match_scores(probe, gallery, weight, gallery_weight=other)
    assert torch.equal(found.gallery_index.cpu(), by_plain_sorting(scores, False, 2))
    matcher = QAConv(3, 3, 2).to(device).eval()
    maps = probe.float().reshape(4, 3, 3, 2)
    found = matcher.nearest_matches(maps, k=3)
    assert torch.equal(found.gallery_index.cpu(), by_plain_sorting(matcher(maps), True, 3))


def test_empty_sets():
    maps = torch.zeros(0, 5, 6)
    assert nearest_matches(maps, None, WEIGHT, k=0).gallery_index.shape == (0, 0)
    assert nearest_matches(maps, torch.zeros(3, 5, 6), WEIGHT, k=2).scores.shape == (0, 2)
    assert nearest_matches(torch.zeros(3, 5, 6), maps, WEIGHT, k=0).gallery_index.shape == (3, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 4}, ValueError, r"k: got 4, wanted 0\.\.3"),
        ({"k": -1}, ValueError, "k: got -1"),
        ({"k": 1.0}, TypeError, r"k: got 1\.0, wanted a whole"),
        ({"k": 1, "block": 0}, ValueError, "block: got 0, wanted 1 or more"),
        ({"k": 0, "weight": WEIGHT[1:]}, ValueError, "weight: got shape"),
        ({"k": 1, "gallery_weight": WEIGHT}, ValueError, "gallery_weight: got Tensor, wanted None"),
        ({"k": 5, "gallery": torch.zeros(4, 5, 6)}, ValueError, r"k: got 5, wanted 0\.\.4"),
        ({"k": 1, "gallery": torch.zeros(4, 2, 6)}, ValueError, "gallery: got 2 channels"),
    ],
)
def test_bad_arguments(arguments, error, message):
    complete = {"probe": torch.zeros(4, 5, 6), "gallery": None, "weight": WEIGHT, **arguments}
    with pytest.raises(error, match=message):
        nearest_matches(**complete)

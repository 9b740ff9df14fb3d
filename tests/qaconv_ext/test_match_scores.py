"""match_scores and pairwise_distance against the reference, on every device."""

from __future__ import annotations

import pytest
import torch

from qaconv_ext import reference
from qaconv_ext.qaconv import match_scores, pairwise_distance
from support.cases import CASES, DTYPES, EMPTY_CASES, Case
from support.compare import assert_relative, assert_same_bits
from support.devices import on_every_device
from support.tolerances import GRADIENT, RELATIVE

pytestmark = on_every_device


def head(case, dtype, device, seed=3):
    """Weights of both signs, and a bias."""
    generator = torch.Generator().manual_seed(seed)
    sums = reference.compute_dtype(dtype)
    draw = [
        torch.randn(size, generator=generator, dtype=torch.float64).to(device, sums)
        for size in (case.probe_locations, case.gallery_locations, 1)
    ]
    return draw[0], draw[1], draw[2]


def double(*tensors):
    return [t.detach().cpu().double() for t in tensors]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES + EMPTY_CASES, ids=str)
def test_scores(case, dtype, device):
    probe, gallery = case.maps(dtype, device)
    weight, gallery_weight, bias = head(case, dtype, device)
    got = match_scores(probe, gallery, weight, bias, gallery_weight=gallery_weight)
    assert got.dtype == reference.compute_dtype(dtype)
    wanted = reference.match_scores(*double(probe, gallery, weight, gallery_weight, bias))
    # Relative to the sum of the weights' magnitudes: the score itself may cancel to nothing.
    scale = (weight.abs().sum() + gallery_weight.abs().sum() + bias.abs().sum()).item()
    assert got.shape == wanted.shape
    if got.numel():
        assert (got.cpu().double() - wanted).abs().max() <= RELATIVE[dtype] * scale


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [0, 1, 5, 66])
def test_distance_is_minus_the_score_bit_for_bit(count, dtype, device):
    case = Case(count, count, 11, 9, 9)
    features, _ = case.maps(dtype, device)
    weight, _, bias = head(case, dtype, device)
    distances = pairwise_distance(features, weight, bias)
    assert_same_bits(distances, -match_scores(features, features, weight, bias))
    assert_same_bits(distances, distances.T)


def test_bits_do_not_depend_on_the_other_pairs(device):
    case = Case(70, 67, 9, 7, 7)
    probe, gallery = case.maps(torch.float32, device)
    weight, _, bias = head(case, torch.float32, device)
    whole = match_scores(probe, gallery, weight, bias)
    for p, g in ((0, 0), (69, 66), (64, 63), (13, 64)):
        alone = match_scores(probe[p : p + 1], gallery[g : g + 1], weight, bias)
        assert_same_bits(alone[0, 0], whole[p, g])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30], ids=str)
def test_what_is_not_finite_stays_in_its_pairs(value, device):
    case = Case(3, 3, 5, 19, 19)
    probe, gallery = case.maps(torch.float32, device)
    weight, _, bias = head(case, torch.float32, device)
    clean = match_scores(probe, gallery, weight, bias)
    probe[1, 2, 7] = value
    got = match_scores(probe, gallery, weight, bias)
    assert_same_bits(got[0], clean[0])
    assert_same_bits(got[2], clean[2])
    wanted = reference.match_scores(
        probe.cpu(), gallery.cpu(), weight.cpu(), weight.cpu(), bias.cpu()
    )
    torch.testing.assert_close(got[1].cpu(), wanted[1], rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients(case, dtype, device):
    arguments = [*case.maps(dtype, device), *head(case, dtype, device)]
    got = [a.requires_grad_() for a in arguments]
    generator = torch.Generator().manual_seed(5)
    factor = torch.randn(case.probes, case.galleries, generator=generator, dtype=torch.float64)
    scores = match_scores(got[0], got[1], got[2], got[4], gallery_weight=got[3])
    (scores * factor.to(device, scores.dtype)).sum().backward()
    wanted = [a.requires_grad_() for a in double(*arguments)]
    (reference.match_scores(*wanted) * factor).sum().backward()
    for name, a, b in zip(("probe", "gallery", "w", "v", "bias"), got, wanted, strict=True):
        assert a.grad.dtype == a.dtype, name
        assert_relative(a.grad, b.grad, GRADIENT[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_distance_gradients(dtype, device):
    case = Case(5, 5, 13, 17, 17)
    features, _ = case.maps(dtype, device)
    weight, _, bias = head(case, dtype, device)
    arguments = [features, weight, bias]
    factor = torch.randn(5, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    got = [a.requires_grad_() for a in arguments]
    distances = pairwise_distance(*got)
    (distances * factor.to(device, distances.dtype)).sum().backward()
    wanted = [a.requires_grad_() for a in double(*arguments)]
    (reference.pairwise_distance(*wanted) * factor).sum().backward()
    for a, b in zip(got, wanted, strict=True):
        assert_relative(a.grad, b.grad, GRADIENT[dtype])


def test_gradcheck(device):
    case = Case(2, 3, 4, 5, 3)
    inputs = [*case.maps(torch.float64, device), *head(case, torch.float64, device)]
    inputs = [i.requires_grad_() for i in inputs]
    assert torch.autograd.gradcheck(
        lambda a, b, w, v, c: match_scores(a, b, w, c, gallery_weight=v), inputs
    )
    assert torch.autograd.gradcheck(pairwise_distance, (inputs[0], inputs[2], inputs[4]))


def test_bias_as_a_number(device):
    case = Case(2, 3, 4, 5, 5)
    probe, gallery = case.maps(torch.float32, device)
    weight = torch.rand(5, device=device)
    zero, one = (match_scores(probe, gallery, weight, bias) for bias in (0.0, 1))
    torch.testing.assert_close(one, zero + 1)

"""correlation_max and its backward against the reference, on every device."""

from __future__ import annotations

import pytest
import torch

from qaconv_ext import reference
from qaconv_ext.qaconv import correlation_max, correlation_max_self
from support.cases import CASES, DTYPES, EMPTY_CASES, Case
from support.compare import assert_relative, assert_same_bits
from support.devices import on_every_device
from support.tolerances import CORRELATION, GRADIENT

pytestmark = on_every_device


def truth(probe, gallery):
    """The reference in float64, on the CPU, from the inputs as they were rounded."""
    return reference.correlation_max(probe.detach().cpu().double(), gallery.detach().cpu().double())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_positions(case, dtype, device):
    probe, gallery = case.maps(dtype, device)
    got, wanted = correlation_max(probe, gallery), truth(probe, gallery)
    scores = reference.correlation(probe.cpu().double(), gallery.cpu().double())  # [P, G, r, s]
    for value, index, true_value, dim in (
        (got[0], got[2], wanted[0], 2),
        (got[1], got[3], wanted[1], 3),
    ):
        assert value.dtype == reference.compute_dtype(dtype)
        assert (value.cpu().double() - true_value).abs().max() <= CORRELATION[dtype]
        # Rounding may pick another of two nearly equal locations: what it picked must be as good.
        picked = scores.gather(dim, index.cpu().long().unsqueeze(dim)).squeeze(dim)
        assert (true_value - picked).abs().max() <= CORRELATION[dtype]
    assert got.gallery_index.dtype == reference.index_dtype(case.gallery_locations)
    assert got.probe_index.dtype == reference.index_dtype(case.probe_locations)


@pytest.mark.parametrize("case", EMPTY_CASES, ids=str)
def test_empty(case, device):
    probe, gallery = (maps.requires_grad_() for maps in case.maps(torch.float32, device))
    got = correlation_max(probe, gallery)
    assert got.over_gallery.shape == (case.probes, case.galleries, case.probe_locations)
    assert got.over_probe.shape == (case.probes, case.galleries, case.gallery_locations)
    (got.over_gallery.sum() + got.over_probe.sum()).backward()
    assert probe.grad.shape == probe.shape
    assert not probe.grad.any()
    assert not gallery.grad.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [0, 1, 5, 66])
def test_self_match_has_the_bits_of_two_arguments(count, dtype, device):
    features, _ = Case(count, 1, 21, 17, 1).maps(dtype, device)
    maxima, index = correlation_max_self(features)
    both = correlation_max(features, features)
    for alone, one_way, other_way in ((maxima, both[0], both[1]), (index, both[2], both[3])):
        assert_same_bits(alone, one_way)
        assert_same_bits(alone.transpose(0, 1), other_way)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_lowest_position_wins_ties(dtype, device):
    # Every location appears three times, at distances that fall into different tiles.
    probe, gallery = Case(2, 2, 7, 11, 13).maps(dtype, device)
    got = correlation_max(torch.cat([probe] * 3, dim=2), torch.cat([gallery] * 3, dim=2))
    assert got.gallery_index.max() < 13
    assert got.probe_index.max() < 11
    constant = torch.ones(2, 7, 33, dtype=dtype, device=device)
    got = correlation_max(constant, -constant)
    assert not got.gallery_index.any()
    assert not got.probe_index.any()
    assert (got.over_gallery == -7).all()  # and not 0, as zero padding would give


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38], ids=str)
def test_what_is_not_finite_propagates_as_in_torch(value, device):
    probe, gallery = Case(3, 3, 5, 19, 17).maps(torch.float32, device)
    probe[1, 2, 7] = value
    gallery[2, 3, 16] = value
    got = correlation_max(probe, gallery)
    wanted = reference.correlation_max(probe.cpu(), gallery.cpu())
    for location, (a, b) in enumerate(zip(got, wanted, strict=True)):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-5, equal_nan=True)
        if location >= 2:  # positions, of the NaN locations too
            assert torch.equal(a.cpu(), b)


def test_any_strides(device):
    probe, gallery = Case(3, 4, 20, 24, 24).maps(torch.float32, device)
    wanted = correlation_max(probe, gallery)
    four = probe.reshape(3, 20, 6, 4).contiguous(memory_format=torch.channels_last)
    wide = torch.stack((gallery, gallery), dim=3).flatten(2)[:, :, ::2]
    permuted = torch.empty(24, 4, 20, device=device).permute(1, 2, 0).copy_(gallery)
    for a, b in ((four, gallery), (probe, wide), (probe, permuted)):
        assert not (a.is_contiguous() and b.is_contiguous())
        for got, want in zip(correlation_max(a, b), wanted, strict=True):
            assert_same_bits(got, want)


def test_bits_do_not_depend_on_the_other_pairs(device):
    probe, gallery = Case(70, 67, 9, 7, 5).maps(torch.float32, device)
    whole = correlation_max(probe, gallery)
    for p, g in ((0, 0), (69, 66), (64, 63), (13, 64)):
        alone = correlation_max(probe[p : p + 1], gallery[g : g + 1])
        for got, want in zip(alone, whole, strict=True):
            assert_same_bits(got[0, 0], want[p, g])


def loss_of(maxima, weights):
    return (maxima[0] * weights[0]).sum() + (maxima[1] * weights[1]).sum()


def random_weights(case, dtype, device):
    generator = torch.Generator().manual_seed(7)
    return [
        torch.randn(
            case.probes, case.galleries, locations, generator=generator, dtype=torch.float64
        ).to(device, reference.compute_dtype(dtype))
        for locations in (case.probe_locations, case.gallery_locations)
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients(case, dtype, device):
    probe, gallery = (maps.requires_grad_() for maps in case.maps(dtype, device))
    weights = random_weights(case, dtype, device)
    maxima = correlation_max(probe, gallery)
    loss_of(maxima, weights).backward()
    # The truth routes by the same winners, so that a near tie cannot make the two incomparable.
    for own, partner, indices in (
        (probe, gallery, (maxima[2], maxima[3])),
        (gallery, probe, (maxima[3], maxima[2])),
    ):
        wanted = routed_gradient(own, partner, indices, weights, own is gallery)
        assert own.grad.dtype == dtype
        assert_relative(own.grad, wanted, GRADIENT[dtype])


def routed_gradient(own, partner, indices, weights, swapped):
    """The gradient by one-hot winners: [n, m, own locations, partner locations] against the
    partner."""
    at_own, at_partner = (i.cpu().long() for i in indices)
    to_own, to_partner = (w.cpu().double() for w in (weights[::-1] if swapped else weights))
    if swapped:
        at_own, at_partner, to_own, to_partner = (
            t.transpose(0, 1) for t in (at_own, at_partner, to_own, to_partner)
        )
    routes = torch.zeros(
        len(own), len(partner), own.shape[2], partner.shape[2], dtype=torch.float64
    )
    routes.scatter_add_(3, at_own.unsqueeze(3), to_own.unsqueeze(3))
    routes.scatter_add_(2, at_partner.unsqueeze(2), to_partner.unsqueeze(2))
    return torch.einsum("nmsr,mcr->ncs", routes, partner.detach().cpu().double())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_self_match_gradient_is_that_of_both_sides(dtype, device):
    maps, _ = Case(4, 1, 9, 12, 1).maps(dtype, device)
    weights = random_weights(Case(4, 4, 9, 12, 12), dtype, device)[0]
    alone, left, right = (maps.clone().requires_grad_() for _ in range(3))
    (correlation_max_self(alone)[0] * weights).sum().backward()
    (correlation_max(left, right).over_gallery * weights).sum().backward()
    assert alone.grad.dtype == dtype
    assert_relative(alone.grad, left.grad.double() + right.grad.double(), 2 * GRADIENT[dtype])


def test_only_the_wanted_gradient(device):
    probe, gallery = Case(2, 3, 4, 5, 6).maps(torch.float32, device)
    probe.requires_grad_()
    correlation_max(probe, gallery).over_probe.sum().backward()
    assert probe.grad.abs().sum() > 0
    assert gallery.grad is None


def test_gradcheck(device):
    probe, gallery = (m.requires_grad_() for m in Case(2, 3, 4, 5, 3).maps(torch.float64, device))
    assert torch.autograd.gradcheck(lambda a, b: correlation_max(a, b)[:2], (probe, gallery))
    assert torch.autograd.gradcheck(lambda a: correlation_max_self(a)[0], (probe,))


def test_gradient_bits_repeat(device):
    case = Case(9, 7, 33, 24, 24)
    weights = random_weights(case, torch.float32, device)
    gradients = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            probe, gallery = (m.requires_grad_() for m in case.maps(torch.float32, device))
            loss_of(correlation_max(probe, gallery), weights).backward()
        finally:
            torch.set_num_threads(before)
        gradients.append((probe.grad, gallery.grad))
    for other in gradients[1:]:
        assert_same_bits(other[0], gradients[0][0])
        assert_same_bits(other[1], gradients[0][1])


def test_inputs_are_left_as_they_were(device):
    probe, gallery = Case(2, 2, 4, 5, 5).maps(torch.float32, device)
    before = probe.clone(), gallery.clone()
    correlation_max(probe, gallery)
    assert_same_bits(probe, before[0])
    assert_same_bits(gallery, before[1])

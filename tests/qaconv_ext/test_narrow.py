"""Winners by narrow products: against the reference, its bound, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad
from torch.nn.functional import normalize

from qaconv_ext import backend, reference
from qaconv_ext._library import LIBRARY
from qaconv_ext.narrow import MAX_CHANNELS, NarrowQAConv, match_scores_narrow, why_slow
from qaconv_ext.qaconv import QAConv, match_scores
from support.cases import CASES, EMPTY_CASES, Case
from support.compare import assert_same_bits

PRECISIONS = ["bfloat16", "int8"]


@pytest.fixture(params=backend.simd_levels() or ["reference"])
def level(request):
    """Every variant this machine has, and the reference where nothing was compiled."""
    if not LIBRARY.loaded:
        yield request.param
        return
    before = backend.simd_level()
    backend.set_simd_level(request.param)
    yield request.param
    backend.set_simd_level(before)


def by_reference(probe, gallery, weight, other, bias, precision):
    code = {"bfloat16": reference.BFLOAT16, "int8": reference.INT8}[precision]
    return reference.match_scores_narrow(probe, gallery, weight, other, torch.tensor([bias]), code)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", [*CASES, *EMPTY_CASES, Case(3, 4, 128, 192, 192)], ids=str)
def test_scores_are_the_references(case, dtype, precision, level):
    probe, gallery = case.maps(dtype, "cpu")
    weight, other = torch.rand(case.probe_locations), torch.rand(case.gallery_locations)
    scores = match_scores_narrow(
        probe, gallery, weight, 0.5, precision=precision, gallery_weight=other
    )
    wanted = by_reference(probe, gallery, weight, other, 0.5, precision)
    assert scores.shape == (case.probes, case.galleries)
    assert scores.dtype == torch.float32
    # A sum of bytes has no rounding, so the winners are the same; in bfloat16 the order of a sum
    # decides between products that differ by their last bits.
    slack = 1e-5 if precision == "int8" else 1e-4
    assert torch.allclose(scores, wanted, rtol=0, atol=slack * (1 + float(weight.sum())))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bound_holds(precision, level):
    """docs/algorithm.md: of unit vectors, from below, by at most twice a product's error."""
    probe, gallery = Case(6, 5, 128, 48, 48).maps(torch.float32, "cpu")
    weight = torch.full((48,), 1 / 96)
    exact = match_scores(probe, gallery, weight)
    short = exact - match_scores_narrow(probe, gallery, weight, precision=precision)
    largest = float(max(probe.abs().max(), gallery.abs().max()))
    step, channels = largest / 127, 128
    bound = (
        2 * (2**-7 + 2**-16 + channels * 2**-23 + 2**-17)
        if precision == "bfloat16"
        else 2 * (channels**0.5 * step + channels * step**2 / 4)
    )
    assert short.min() > -1e-6
    assert short.max() < bound
    # What is met is far less: a wrong winner takes an error and a near tie.
    assert short.max() < bound / 20


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bits_of_a_pair_are_its_own(precision, level):
    maps, _ = Case(70, 1, 37, 35, 35).maps(torch.float32, "cpu")
    weight = torch.rand(35)
    scores = match_scores_narrow(maps, maps, weight, precision=precision)
    assert_same_bits(scores, scores.T)
    assert_same_bits(
        scores[66:67, 3:5],
        match_scores_narrow(maps[66:67], maps[3:5], weight, precision=precision),
    )
    apart = maps.transpose(1, 2).contiguous().transpose(1, 2)
    assert_same_bits(scores, match_scores_narrow(apart, apart, weight, precision=precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nan_stays_in_its_pairs(precision, level):
    probe, gallery = Case(3, 4, 8, 6, 6).maps(torch.float32, "cpu")
    probe[1, 2, 3] = torch.nan
    scores = match_scores_narrow(probe, gallery, torch.ones(6), precision=precision)
    assert scores[1].isnan().all()
    assert scores[[0, 2]].isfinite().all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_matcher_in_evaluation(precision):
    matcher = QAConv(16, 4, 3).eval()
    torch.nn.init.normal_(matcher.fc.weight)
    maps = normalize(torch.randn(5, 16, 4, 3), dim=1)
    narrow = NarrowQAConv(matcher, precision)
    with torch.no_grad():
        assert torch.allclose(narrow(maps, maps), matcher(maps, maps), atol=0.05)
        narrow.train()
        with pytest.raises(RuntimeError, match="training mode"):
            narrow(maps, maps)


def test_what_is_refused():
    maps, weight = torch.ones(2, 3, 4), torch.ones(4)
    with pytest.raises(ValueError, match="precision: got 'int4', wanted one of bfloat16, int8"):
        match_scores_narrow(maps, maps, weight, precision="int4")
    with pytest.raises(TypeError, match="float64"):
        match_scores_narrow(maps.double(), maps.double(), weight, precision="int8")
    wide = torch.ones(1, MAX_CHANNELS + 1, 1)
    with pytest.raises(ValueError, match="channels"):
        match_scores_narrow(wide, wide, torch.ones(1), precision="int8")
    with pytest.raises(ValueError, match="gallery_weight"):
        match_scores_narrow(maps, torch.ones(2, 3, 5), weight, precision="int8")
    turned = [torch.ones(2, 3, *sides) for sides in ((4, 2), (2, 4))]
    with pytest.raises(ValueError, match="gallery_weight: got None, wanted 8 numbers"):
        match_scores_narrow(*turned, torch.ones(8), precision="int8")
    with pytest.raises(RuntimeError, match="gradient"):
        match_scores_narrow(maps.requires_grad_(), maps, weight, precision="int8")
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(maps.detach(), torch.ones_like(maps))
        with pytest.raises(RuntimeError, match="match_scores_narrow: got a tangent, wanted none"):
            match_scores_narrow(dual, maps.detach(), weight, precision="int8")


@pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)
def test_why_slow(monkeypatch):
    assert "cuda" in why_slow("int8", "cuda")
    before = backend.simd_level()
    backend.set_simd_level("scalar")
    try:
        assert why_slow("bfloat16") == (
            "bfloat16 wants AVX-512 with AVX512_BF16, the kernels use scalar"
        )
    finally:
        backend.set_simd_level(before)

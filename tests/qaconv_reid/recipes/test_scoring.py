"""The matcher in the precision of the settings, or float32 and why."""

from __future__ import annotations

import pytest
import torch

from qaconv_ext import backend, narrow
from qaconv_ext.qaconv import QAConv
from qaconv_reid.build import Hardware
from qaconv_reid.config import load
from qaconv_reid.recipes import scoring as module
from qaconv_reid.recipes.scoring import scoring

CPU = Hardware(torch.device("cpu"), None)


def settings(precision):
    return load(None, [f"evaluation.precision={precision}"])


def test_float32_is_the_matcher_itself():
    matcher = QAConv(8, 3, 2)
    assert scoring(matcher, settings("float32"), CPU) == (matcher, "float32", None)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_narrow_winners_where_they_are_faster(precision, monkeypatch):
    monkeypatch.setattr(module, "why_slow", lambda *_: "")
    matcher = QAConv(8, 3, 2).eval()
    matched = scoring(matcher, settings(precision), CPU)
    assert isinstance(matched.matcher, narrow.NarrowQAConv)
    assert matched.precision == precision
    assert matched.note == f"winners found in {precision}, scores in float32"
    maps = torch.nn.functional.normalize(torch.randn(4, 8, 3, 2), dim=1)
    with torch.no_grad():
        assert torch.allclose(matched.matcher(maps, maps), matcher(maps, maps), atol=0.05)


@pytest.mark.skipif(not backend.simd_levels(), reason="no kernels were compiled")
def test_elsewhere_it_is_float32_and_said():
    matcher, before = QAConv(8, 3, 2), backend.simd_level()
    backend.set_simd_level("scalar")
    try:
        matched = scoring(matcher, settings("int8"), CPU)
    finally:
        backend.set_simd_level(before)
    assert matched.matcher is matcher
    assert matched.precision == "float32"
    assert matched.note == (
        "evaluation.precision=int8: int8 wants AVX-512 with AVX512_VNNI, the kernels use scalar; "
        "float32 was taken"
    )
    other = scoring(torch.nn.Identity(), settings("int8"), CPU)
    assert "Identity has no winners to find; float32 was taken" in other.note

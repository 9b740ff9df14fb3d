"""The choice of implementation, and what is said where it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest
import torch

from qaconv_ext import backend
from qaconv_ext._library import LIBRARY, Library
from qaconv_ext.qaconv import pairwise_distance
from support.compare import assert_relative, assert_same_bits

MAPS = torch.nn.functional.normalize(
    torch.randn(5, 21, 19, generator=torch.Generator().manual_seed(0)), dim=1
)
WEIGHT = torch.linspace(-1, 1, 19)
needs_kernels = pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)


@pytest.fixture(autouse=True)
def _restored():
    yield
    backend.set_backend("auto")
    if LIBRARY.loaded:
        backend.set_simd_level(backend.simd_levels()[-1])


@pytest.fixture
def without_kernels(monkeypatch):
    monkeypatch.setattr(backend, "LIBRARY", Library(False, "the kernels were not compiled"))


@needs_kernels
def test_every_simd_level_agrees():
    truth = pairwise_distance(MAPS.double(), WEIGHT)
    assert backend.simd_levels()[0] == "scalar"
    for level in backend.simd_levels():
        backend.set_simd_level(level)
        assert backend.simd_level() == level
        assert_relative(pairwise_distance(MAPS, WEIGHT), truth, 1e-5)
    with pytest.raises(ValueError, match="got 'mmx', wanted one of scalar"):
        backend.set_simd_level("mmx")


@needs_kernels
def test_reference_and_kernels_agree():
    kernels = pairwise_distance(MAPS, WEIGHT)
    backend.set_backend("reference")
    assert backend.get_backend() == "reference"
    assert_relative(kernels, pairwise_distance(MAPS, WEIGHT), 1e-5)
    backend.set_backend("cpu")
    assert_same_bits(kernels, pairwise_distance(MAPS, WEIGHT))
    backend.set_backend("cuda")
    with pytest.raises(backend.BackendError, match="backend cuda: got a tensor on cpu"):
        pairwise_distance(MAPS, WEIGHT)


def test_unknown_name():
    with pytest.raises(ValueError, match="got 'gpu', wanted one of auto, cpu, cuda, reference"):
        backend.set_backend("gpu")


@pytest.mark.usefixtures("without_kernels")
def test_falls_back_with_one_warning():
    backend.set_backend("auto")
    with pytest.warns(UserWarning, match="not compiled; the reference in plain PyTorch answers"):
        first = pairwise_distance(MAPS, WEIGHT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_bits(pairwise_distance(MAPS, WEIGHT), first)


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize(("name", "strict"), [("auto", True), ("cpu", False)])
def test_raises_where_it_may_not_fall_back(name, strict):
    backend.set_backend(name, strict=strict)
    with pytest.raises(backend.BackendError, match=r"not compiled.*qaconv doctor"):
        pairwise_distance(MAPS, WEIGHT)


@needs_kernels
@pytest.mark.parametrize(
    ("variable", "value", "printed"),
    [
        ("QACONV_SIMD_LEVEL", "scalar", "scalar"),
        ("QACONV_SIMD_LEVEL", "sse9", "QACONV_SIMD_LEVEL: got 'sse9', wanted one of scalar"),
        ("QACONV_BACKEND", "gpu", "QACONV_BACKEND: got 'gpu', wanted one of auto"),
        (
            "QACONV_CUDA_VARIANT",
            "wgmma",
            "QACONV_CUDA_VARIANT: got 'wgmma', wanted one of auto, tensor",
        ),
    ],
)
def test_environment(variable, value, printed):
    code = "from qaconv_ext import backend; print(backend.simd_level())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert printed in (run.stdout + run.stderr)

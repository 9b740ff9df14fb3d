"""The matcher on numpy arrays: the bits of the torch operators, without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from qaconv_ext import qaconv
from qaconv_ext._library import LIBRARY
from support.cases import CASES, EMPTY_CASES, Case

pytestmark = pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)
fused = pytest.importorskip("qaconv_ext.arrays", reason="the kernels were not compiled")


def same_bits(got, wanted):
    wanted = wanted.numpy()
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("case", CASES + EMPTY_CASES, ids=str)
def test_scores_have_the_bits_of_the_operators(case, dtype):
    probe, gallery = case.maps(dtype, "cpu")
    weight, other = torch.linspace(-1, 1, case.probe_locations), torch.ones(case.gallery_locations)
    got = fused.match_scores(
        probe.numpy(), gallery.numpy(), weight.numpy(), 0.25, gallery_weight=other.numpy()
    )
    same_bits(got, qaconv.match_scores(probe, gallery, weight, 0.25, gallery_weight=other))
    got = fused.pairwise_distance(probe.numpy(), weight.numpy(), 0.25)
    same_bits(got, qaconv.pairwise_distance(probe, weight, 0.25))


@pytest.mark.parametrize("block", [3, 100])
@pytest.mark.parametrize("self_match", [False, True], ids=["gallery", "self"])
def test_nearest_matches_are_those_of_the_operators(self_match, block):
    probe, gallery = Case(11, 9, 5, 6, 6).maps(torch.float32, "cpu")
    probe[4:8] = probe[0]
    probe[9, 0, 0] = torch.nan
    gallery[5:] = gallery[1]
    other = None if self_match else gallery
    weight = torch.linspace(0.5, 1.5, 6)
    wanted = qaconv.nearest_matches(probe, other, weight, k=8)
    got = fused.nearest_matches(
        probe.numpy(), None if other is None else other.numpy(), weight.numpy(), k=8, block=block
    )
    np.testing.assert_array_equal(got.gallery_index, wanted.gallery_index.numpy())
    np.testing.assert_array_equal(got.scores, wanted.scores.numpy())


def test_any_strides_and_byte_orders():
    probe, gallery = (m.numpy() for m in Case(3, 4, 6, 12, 12).maps(torch.float32, "cpu"))
    weight = np.ones(12)
    wanted = fused.match_scores(probe, gallery, weight)
    four = np.asfortranarray(probe).reshape(3, 6, 4, 3)
    wide = np.repeat(gallery, 2, axis=2)[:, :, ::2]
    swapped = gallery.astype(">f4")
    odd = np.frombuffer(b"\0" + gallery.tobytes(), np.uint8)[1:].view(np.float32)
    for a, b in (
        (four, gallery),
        (probe, wide),
        (probe, swapped),
        (probe, odd.reshape(gallery.shape)),
    ):
        np.testing.assert_array_equal(fused.match_scores(a, b, weight), wanted)
    # A type that is equal to float32 and not the same object.
    other = np.ones(12, np.dtype("f4").newbyteorder("="))
    np.testing.assert_array_equal(fused.match_scores(probe, gallery, other), wanted)
    backwards = fused.match_scores(probe[::-1], gallery, weight)  # negative strides
    np.testing.assert_array_equal(backwards, wanted[::-1])


def test_threads_change_no_bit():
    probe, gallery = (m.numpy() for m in Case(70, 66, 9, 7, 7).maps(torch.float32, "cpu"))
    before = fused.get_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            fused.set_threads(threads)
            assert fused.get_threads() == threads
            results.append(fused.match_scores(probe, gallery, np.ones(7)).tobytes())
    finally:
        fused.set_threads(before)
    assert len(set(results)) == 1


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np, qaconv_ext.arrays as q;"
        "x = np.ones((2, 3, 4), np.float32);"
        "print(q.match_scores(x, x, np.ones(4)).tolist(), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert run.stdout == "[[24.0, 24.0], [24.0, 24.0]] False\n", run.stderr


MAPS = np.zeros((2, 3, 4), np.float32)
GRID = MAPS.reshape(2, 3, 2, 2)
MANY = np.broadcast_to(np.zeros((1, 1, 1), np.float32), (2**22, 1, 1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fused.pairwise_distance([1.0], np.ones(4)), TypeError, "features: got list"),
        (lambda: fused.pairwise_distance(MAPS.astype(int), [1]), TypeError, "got dtype int64"),
        (lambda: fused.pairwise_distance(MAPS[0], [1]), ValueError, r"got shape \[3, 4\]"),
        (lambda: fused.pairwise_distance(MAPS[:, :0], [1]), ValueError, "at least one channel"),
        (lambda: fused.pairwise_distance(MAPS, np.ones(3)), ValueError, "weight: got shape"),
        (lambda: fused.pairwise_distance(MAPS, ["a"] * 4), TypeError, "weight: got dtype"),
        (lambda: fused.match_scores(MAPS, MAPS[:, 1:], [1]), ValueError, "got 2 channels"),
        (lambda: fused.match_scores(MAPS, MAPS.astype("f8"), [1]), TypeError, "got dtype float64"),
        (
            lambda: fused.match_scores(MAPS, MAPS[:, :, 1:], np.ones(4)),
            ValueError,
            "gallery_weight: got None, wanted 3",
        ),
        (lambda: fused.nearest_matches(MAPS, None, np.ones(4), k=2), ValueError, r"0\.\.1"),
        (lambda: fused.nearest_matches(MAPS, MAPS, np.ones(4), k=1, block=0), ValueError, "block"),
        (lambda: fused.set_threads(0), ValueError, "count: got 0"),
        (lambda: fused.set_threads(True), TypeError, "count: got True"),
        (lambda: fused.match_scores(MAPS, MAPS, np.ones(4), "a"), TypeError, "bias: got 'a'"),
        (lambda: fused.pairwise_distance(MAPS, [[1, 2], [3]]), TypeError, "weight: got list"),
        (
            lambda: fused.match_scores(GRID, GRID.reshape(2, 3, 4, 1), np.ones(4)),
            ValueError,
            "gallery_weight: got None, wanted 4",
        ),
        (lambda: fused.pairwise_distance(MANY, [1]), MemoryError, "maps: got shapes .* wanted few"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""More than 2^31 elements: offsets are 64-bit in every operator, through torch and numpy.

Memory that is zero and only read costs none: numpy's zeros are pages that do not exist until they
are written. So maps of gibibytes with a few numbers in them are affordable in every run. Results of
that size are all written, and those tests are marked ``large``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qaconv_ext import qaconv, reference
from qaconv_ext._library import LIBRARY
from support.compare import assert_relative, assert_same_bits
from support.tolerances import CORRELATION, GRADIENT, RELATIVE

pytestmark = pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)
fused = pytest.importorskip("qaconv_ext.arrays", reason="the kernels were not compiled")

BEYOND = 2**31
GIBIBYTE = 2**30
WEIGHT = torch.linspace(0.5, 1.5, 7)


@pytest.fixture(autouse=True)
def _one_thread():
    """Offsets do not depend on threads, and thousands of small blocks make threads wait a lot."""
    before = torch.get_num_threads(), fused.get_threads()
    torch.set_num_threads(1)
    fused.set_threads(1)
    yield
    torch.set_num_threads(before[0])
    fused.set_threads(before[1])


def zeros(count, dtype=np.float16):
    """Zeros that take no memory until they are written; torch would write them at once."""
    try:
        return np.zeros(count, dtype)
    except MemoryError as error:
        pytest.skip(f"this system does not promise memory that it may not have: {error}")


def unit_maps(count, channels, locations, dtype=torch.float16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, channels, locations, generator=generator)
    return torch.nn.functional.normalize(maps, dim=1).to(dtype)


def far_apart(maps, axis):
    """The same maps as a view whose elements along ``axis`` lie some 2^30 from each other."""
    step = 2**30 + 1
    count = maps.shape[axis]
    strides = [1, 1, 1]
    inner = 1
    for other in reversed([a for a in range(3) if a != axis]):
        strides[other] = inner
        inner *= maps.shape[other]
    strides[axis] = step
    store = torch.from_numpy(zeros((count - 1) * step + inner))
    view = store.as_strided(maps.shape, strides)
    assert (count - 1) * step > BEYOND
    return view.copy_(maps)


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["map", "channel", "location"])
def test_strides_beyond(axis):
    maps = unit_maps(4, 5, 7)
    far = far_apart(maps, axis)
    near = unit_maps(3, 5, 7, seed=1)
    for got, wanted in zip(
        qaconv.correlation_max(far, near), qaconv.correlation_max(maps, near), strict=True
    ):
        assert_same_bits(got, wanted)
    assert_same_bits(
        qaconv.match_scores(near, far, WEIGHT), qaconv.match_scores(near, maps, WEIGHT)
    )
    assert_same_bits(qaconv.pairwise_distance(far, WEIGHT), qaconv.pairwise_distance(maps, WEIGHT))
    found, wanted = (qaconv.nearest_matches(m, None, WEIGHT, k=2, block=3) for m in (far, maps))
    assert torch.equal(found.gallery_index, wanted.gallery_index)
    scores = fused.match_scores(near.numpy(), far.numpy(), WEIGHT.numpy())
    assert_same_bits(torch.from_numpy(scores), qaconv.match_scores(near, maps, WEIGHT))


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["map", "channel", "location"])
def test_gradients_of_strides_beyond(axis):
    near = unit_maps(3, 5, 7, seed=1)
    maps = unit_maps(4, 5, 7)
    far, maximum = far_apart(maps, axis), torch.ops.qaconv.correlation_max
    over_gallery, over_probe, *index = maximum(far, near)
    grads = torch.randn_like(over_gallery), torch.randn_like(over_probe)
    back = torch.ops.qaconv.correlation_max_backward
    got, wanted = (back(*grads, m, near, *index, True, True) for m in (far, maps))
    for a, b in zip(got, wanted, strict=True):
        assert_same_bits(a, b)
    plane, index = torch.ops.qaconv.correlation_max_self(far)
    back = torch.ops.qaconv.correlation_max_self_backward
    got, wanted = (back(torch.ones_like(plane), m, index) for m in (far, maps))
    assert_same_bits(got, wanted)


@pytest.fixture(scope="module")
def gallery():
    """Contiguous maps with more than 2^31 elements: zeros, but for the first and the last few."""
    channels, locations = 64, 128
    count = BEYOND // (channels * locations) + 5
    maps = torch.from_numpy(zeros(count * channels * locations)).reshape(count, channels, locations)
    chosen = [0, *range(count - 4, count)]
    for number in chosen:
        maps[number] = unit_maps(1, channels, locations, seed=number)[0]
    return maps, chosen


def expected_scores(probe, maps, chosen, weight, other, bias):
    """Of zero maps the bias alone; of the chosen ones what the reference says."""
    wanted = torch.full((len(probe), len(maps)), bias, dtype=torch.float64)
    wanted[:, chosen] = reference.match_scores(
        probe.double(),
        maps[chosen].double(),
        weight.double(),
        other.double(),
        torch.tensor([bias], dtype=torch.float64),
    )
    return wanted


def test_scores_of_maps_beyond(gallery):
    maps, chosen = gallery
    probe = unit_maps(1, 64, 2, seed=9)
    weight, other = torch.tensor([1.0, 0.5]), torch.linspace(0, 1, 128)
    wanted = expected_scores(probe, maps, chosen, weight, other, 0.25)
    got = qaconv.match_scores(probe, maps, weight, 0.25, gallery_weight=other)
    assert_relative(got, wanted, RELATIVE[torch.float16])
    by_numpy = fused.match_scores(
        probe.numpy(), maps.numpy(), weight.numpy(), 0.25, gallery_weight=other.numpy()
    )
    assert_same_bits(torch.from_numpy(by_numpy), got)


def test_nearest_of_maps_beyond(gallery):
    maps, chosen = gallery
    probe = maps[chosen[1:3], :, :2].contiguous()
    weight, other = torch.tensor([1.0, 0.5]), torch.ones(128)
    found = qaconv.nearest_matches(
        probe, maps, weight, k=len(chosen), gallery_weight=other, block=2**14
    )
    wanted = expected_scores(probe, maps, chosen, weight, other, 0.0)
    assert sorted(found.gallery_index[0].tolist()) == chosen
    assert_relative(found.scores, wanted.topk(len(chosen)).values, RELATIVE[torch.float16])


def test_maxima_of_maps_beyond(gallery):
    maps, chosen = gallery
    probe = unit_maps(1, 64, 2, seed=9)
    got = qaconv.correlation_max(probe, maps)
    wanted = reference.correlation_max(probe.double(), maps[chosen].double())
    zero = torch.ones(len(maps), dtype=torch.bool)
    zero[chosen] = False
    for result, truth in zip(got, wanted, strict=True):
        assert (result[:, zero] == 0).all()
        difference = (result[:, chosen].double() - truth.double()).abs().max()
        assert difference <= CORRELATION[torch.float16]


def plane_of(shape, dtype, chosen, values):
    """A plane of zeros of more than 2^31 elements, but for the values at the chosen pairs."""
    plane = torch.from_numpy(zeros(int(np.prod(shape)), dtype)).reshape(shape)
    assert plane.numel() > BEYOND
    plane[chosen] = values
    return plane


def test_gradients_through_pairs_beyond():
    """Gradient and positions of more than 2^31 maxima, the last of them in use."""
    locations, other, channels = 256, 3, 2
    count = BEYOND // locations + 5
    chosen = [0, *range(count - 4, count)]
    probe = unit_maps(1, channels, locations, torch.float32)
    maps = torch.from_numpy(zeros(count * channels * other, np.float32))
    maps = maps.reshape(count, channels, other)
    maps[chosen] = unit_maps(len(chosen), channels, other, torch.float32, seed=1)
    *_, few_index, few_probe_index = qaconv.correlation_max(probe, maps[chosen])
    gradient = torch.randn(few_index.shape, generator=torch.Generator().manual_seed(2))
    pairs = (slice(None), chosen)
    shape = (1, count, locations)
    probe_index = torch.zeros(1, count, other, dtype=torch.uint8)
    probe_index[pairs] = few_probe_index
    got = torch.ops.qaconv.correlation_max_backward(
        plane_of(shape, np.float32, pairs, gradient),
        torch.zeros(1, count, other),
        probe,
        maps,
        plane_of(shape, np.uint8, pairs, few_index),
        probe_index,
        True,
        True,
    )
    few = [tensor.double().requires_grad_() for tensor in (probe, maps[chosen])]
    (reference.correlation_max(*few)[0] * gradient.double()).sum().backward()
    assert_relative(got[0], few[0].grad, GRADIENT[torch.float32])
    assert_relative(got[1][chosen], few[1].grad, GRADIENT[torch.float32])
    assert got[1].count_nonzero() == got[1][chosen].count_nonzero()


def test_gradients_of_a_self_match_through_pairs_beyond():
    locations, count = 256, 2897
    chosen = [0, count - 2, count - 1]
    maps = torch.zeros(count, 2, locations)
    maps[chosen] = unit_maps(len(chosen), 2, locations, torch.float32)
    _, few_index = qaconv.correlation_max_self(maps[chosen])
    gradient = torch.randn(few_index.shape, generator=torch.Generator().manual_seed(2))
    pairs = np.ix_(chosen, chosen)
    shape = (count, count, locations)
    got = torch.ops.qaconv.correlation_max_self_backward(
        plane_of(shape, np.float32, pairs, gradient),
        maps,
        plane_of(shape, np.uint8, pairs, few_index),
    )
    # The other maps bring zeros and nothing else, so not a bit may differ.
    few = torch.ops.qaconv.correlation_max_self_backward(gradient, maps[chosen], few_index)
    assert_same_bits(got[chosen], few)
    assert got.count_nonzero() == got[chosen].count_nonzero()


def available_memory():
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def needs(gibibytes):
    """Skip, with the reason, where so much memory is not available."""
    available = available_memory() if Path("/proc/meminfo").exists() else 0
    if available < gibibytes * GIBIBYTE:
        pytest.skip(
            f"needs {gibibytes} GiB of memory, {available / GIBIBYTE:.1f} GiB are available"
        )


def numbers(count, seed):
    """Maps of one channel and one location: a number each, so that a score is a product."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, 1, generator=generator) + 0.5


@pytest.mark.large
def test_scores_beyond():
    needs(10)
    count = 46342  # squared: the first beyond 2^31
    probe, maps = numbers(count, 0), numbers(count, 1)
    scores = qaconv.match_scores(probe, maps, torch.ones(1), 0.5)
    assert scores.numel() > BEYOND
    for row in (0, 1, count // 2, count - 2, count - 1):
        wanted = 2 * probe[row, 0] * maps[:, 0, 0] + 0.5
        torch.testing.assert_close(scores[row], wanted)


@pytest.mark.large
def test_distances_beyond_through_numpy():
    needs(10)
    count = 46342
    maps = numbers(count, 0)
    distances = fused.pairwise_distance(maps.numpy(), np.ones(1), 0.5)
    assert distances.size > BEYOND
    for row in (0, 1, count // 2, count - 2, count - 1):
        wanted = -(2 * maps[row, 0] * maps[:, 0, 0] + 0.5)
        torch.testing.assert_close(torch.from_numpy(distances[row]), wanted)
        torch.testing.assert_close(torch.from_numpy(distances[:, row].copy()), wanted)

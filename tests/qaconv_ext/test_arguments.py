"""Bad arguments get one sentence that names the argument, what it got and what it wants."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch

from qaconv_ext import backend
from qaconv_ext._arguments import within_memory
from qaconv_ext.correspondence import correspondences
from qaconv_ext.graph import (
    GraphSampler,
    PKSampler,
    class_distances,
    nearest_classes,
    one_graph,
)
from qaconv_ext.losses import ClassMemory, HardTripletLoss, SoftmaxClassifier
from qaconv_ext.qaconv import (
    QAConv,
    correlation_max,
    correlation_max_self,
    match_scores,
    nearest_matches,
    pairwise_distance,
)

MAPS = torch.zeros(2, 3, 4)
WEIGHT = torch.zeros(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: correlation_max_self(np.zeros((2, 3, 4))),
            TypeError,
            "features: got ndarray, wanted a t",
        ),
        (
            lambda: correlation_max_self(MAPS.long()),
            TypeError,
            "features: got dtype torch.int64, wanted",
        ),
        (
            lambda: correlation_max_self(MAPS[0]),
            ValueError,
            r"features: got shape \[3, 4\], wanted \[N, C",
        ),
        (
            lambda: correlation_max_self(torch.zeros(2, 0, 4)),
            ValueError,
            "at least one channel and one",
        ),
        (
            lambda: correlation_max_self(torch.zeros(2, 3, 0)),
            ValueError,
            "at least one channel and one",
        ),
        (lambda: correlation_max_self(torch.zeros(1, 1, 32768)), ValueError, "at most 32767"),
        (lambda: correlation_max(MAPS, 3), TypeError, "gallery: got 3, wanted a torch"),
        (lambda: correlation_max(MAPS, MAPS[:, 1:]), ValueError, "gallery: got 2 channels"),
        (
            lambda: correlation_max(MAPS, MAPS.double()),
            TypeError,
            "gallery: got dtype torch",
        ),
        (lambda: correlation_max(MAPS, MAPS.to("meta")), ValueError, "gallery: got device meta"),
        (
            lambda: match_scores(MAPS, MAPS, WEIGHT[1:]),
            ValueError,
            r"^weight: got shape \[3\], wanted 4 numbers",
        ),
        (lambda: match_scores(MAPS, MAPS, [1.0] * 4), TypeError, "weight: got list"),
        (lambda: match_scores(MAPS, MAPS, WEIGHT.long()), TypeError, "weight: got dtype torch.in"),
        (lambda: match_scores(MAPS, MAPS, WEIGHT, WEIGHT), ValueError, "bias: got shape"),
        (
            lambda: match_scores(MAPS, MAPS, WEIGHT.to("meta")),
            ValueError,
            "weight: got device",
        ),
        (
            lambda: match_scores(MAPS, torch.zeros(2, 3, 5), WEIGHT),
            ValueError,
            "gallery_weight: got None, wanted 5 numbers",
        ),
        (lambda: pairwise_distance(MAPS, WEIGHT[1:]), ValueError, "weight: got shape"),
        (lambda: pairwise_distance(MAPS.int(), WEIGHT), TypeError, "features: got dtype"),
    ],
)
def test_message(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Every kind of bad value for every argument of a kind. `name: got …, wanted …`, on one line.

MATCHER = QAConv(3, 2, 2)
GRID = torch.zeros(2, 3, 2, 2)
LABELS = [0, 0, 1, 1, 2, 2, 3, 3]
SCORES, TWO = torch.zeros(2, 2), torch.tensor([0, 1])

NO_WHOLE_NUMBER = {
    "True": True,
    "numpy's True": np.True_,
    "torch's True": torch.tensor(True),
    "text": "4",
    "None": None,
    "half": 1.5,
    "numpy's float": np.float64(4),
    "list": [4],
    "two numbers": torch.tensor([1, 2]),
    "array": np.zeros(3, int),
    "object": object(),
}
WHOLE_NUMBERS = {
    "num_features": lambda v: QAConv(v, 2, 2),
    "height": lambda v: QAConv(3, v, 2),
    "width": lambda v: QAConv(3, 2, v),
    "k": lambda v: MATCHER.nearest_matches(GRID, GRID, k=v),
    "block": lambda v: MATCHER.nearest_matches(GRID, GRID, k=1, block=v),
    "batch_size": lambda v: PKSampler(LABELS, v, 1),
    "num_instances": lambda v: PKSampler(LABELS, 4, v),
    "seed": lambda v: PKSampler(LABELS, 4, 2, v),
    "rank": lambda v: PKSampler(LABELS, 4, 2, rank=v, world_size=2),
    "world_size": lambda v: PKSampler(LABELS, 4, 2, world_size=v),
    "strangers": lambda v: GraphSampler(LABELS, lambda images: [], 4, 1, strangers=v),
    "epoch": lambda v: PKSampler(LABELS, 4, 2).set_epoch(v),
    "num_classes": lambda v: SoftmaxClassifier(4, v),
    "mem_batch_size": lambda v: ClassMemory(2, 3, 2, 2, v),
}


def assert_named(call, name, errors=(TypeError, ValueError)):
    with pytest.raises(errors) as caught:
        call()
    assert re.fullmatch(f"{name}: got .+, wanted .+", str(caught.value)), str(caught.value)


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_whole_numbers(name):
    call = WHOLE_NUMBERS[name]
    for value in NO_WHOLE_NUMBER.values():
        assert_named(lambda value=value: call(value), name, TypeError)
    if name != "seed":
        assert_named(lambda: call(-1), name, ValueError)
    for one in (np.int64(1), np.uint8(1), torch.tensor(1)):
        call(one)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("bias", lambda v: match_scores(MAPS, MAPS, WEIGHT, v)),
        ("bias", lambda v: pairwise_distance(MAPS, WEIGHT, v)),
        ("margin", HardTripletLoss),
        ("base", lambda v: correspondences(MATCHER, GRID[0], GRID[0], base=v)),
        (
            "threshold",
            lambda v: correspondences(MATCHER, GRID[0], GRID[0]).strongest(threshold=v),
        ),
    ],
)
def test_numbers(name, call):
    for value in ("a", "1.5", None, True, np.True_, [1], 1j, object(), 10**400, torch.zeros(2)):
        assert_named(lambda value=value: call(value), name)
    for value in (1, np.float32(1), np.int64(1), torch.ones(1)):
        call(value)


@pytest.mark.parametrize(
    "labels",
    [None, 3, [0, None], [0.5], "ab", [[1], [2]], [True] * 8, torch.zeros(8, device="meta"), {"a"}],
    ids=str,
)
def test_labels(labels):
    assert_named(lambda: PKSampler(labels, 4, 2), "labels")
    if labels is not None:
        assert_named(lambda: PKSampler(LABELS, 4, 2, groups=labels), "groups")


def test_neighbors():
    for value in (None, 3, "a"):
        assert_named(lambda value=value: GraphSampler(LABELS, value, 4, 2), "neighbors", TypeError)
        assert_named(lambda value=value: one_graph(value), "neighbors", TypeError)
    meta = torch.zeros(4, 1, dtype=torch.long, device="meta")
    for value in (None, "a", [[1], [1, 2]], [[None]] * 4, [["a"]] * 4, [[2**70]] * 4, {}, meta):
        sampler = GraphSampler(LABELS, lambda images, value=value: value, 4, 2)
        assert_named(lambda sampler=sampler: next(iter(sampler)), "neighbors")
        if value != {}:
            one = one_graph(lambda images, value=value: value)
            assert_named(lambda one=one: one([0]), "neighbors")


def test_states_of_samplers():
    sampler = PKSampler(LABELS, 4, 2)
    next(iter(sampler))
    state = sampler.state_dict(position=1)
    wrong = {
        "arguments": (None, {}, 3),
        "epoch": (None, -1, "a", True),
        "position": (None, -1, 99, "a"),
        "batches": (3, [None], [["a"]], [[999] * 4] * 2, "ab"),
        "queues": (None, [3], [["a"]] * 4),
    }
    for value in (None, 3, [], "a", {}):
        assert_named(lambda value=value: sampler.load_state_dict(value), "state")
    for entry, values in wrong.items():
        for value in values:
            bad = {**state, entry: value}
            assert_named(lambda bad=bad: sampler.load_state_dict(bad), r"(state|queues)(: \w+)?")
    for value in (None, "a", True, -1, 99):
        assert_named(lambda value=value: sampler.state_dict(position=value), "position")
    sampler.load_state_dict(state)  # none of these has changed it
    assert len(list(sampler)) == 1


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of prototypes
    NO_MAPS = {
        "sparse": GRID.to_sparse(),
        "mkldnn": GRID.to_mkldnn(),
        "nested": torch.nested.nested_tensor([GRID[0], GRID[1]]),
        "jagged": torch.nested.nested_tensor([MAPS[0], MAPS[1]], layout=torch.jagged),
        "quantized": torch.quantize_per_tensor(GRID, 1.0, 0, torch.quint8),
        "float8": GRID.to(torch.float8_e4m3fn),
        "bool": GRID.bool(),
        "complex": GRID + 0j,
        "None": None,
        "array": GRID.numpy(),
        "a number": torch.zeros(()),
        "elsewhere": GRID.to("meta"),
    }


@pytest.mark.parametrize("kind", NO_MAPS)
def test_no_maps(kind):
    maps = NO_MAPS[kind]
    calls = [
        ("gallery", lambda: correlation_max(GRID, maps)),
        ("probe", lambda: MATCHER(maps)),
        ("probe", lambda: correspondences(MATCHER, maps, GRID[0])),
        ("weight", lambda: match_scores(GRID, GRID, maps)),
        ("maps", lambda: ClassMemory(2, 3, 2, 2)(maps, MATCHER)),
        ("maps", lambda: ClassMemory(2, 3, 2, 2).update(maps, TWO)),
        ("scores", lambda: HardTripletLoss()(maps, TWO)),
        ("labels", lambda: HardTripletLoss()(SCORES, maps)),
        ("(maps|labels)", lambda: SoftmaxClassifier(3, 2)(maps, TWO)),
        ("distances", lambda: nearest_classes(maps, 1)),
    ]
    if kind != "None":  # a self match
        calls.append(("gallery", lambda: MATCHER(GRID, maps)))
    if kind != "elsewhere":
        calls.append(("features", lambda: correlation_max_self(maps)))
        calls.append(("(features|probe)", lambda: class_distances(maps, MATCHER)))
    for name, call in calls:
        assert_named(call, name)


def test_matchers():
    memory = ClassMemory(2, 3, 2, 2)
    memory.update(GRID, TWO)
    for value in (None, 3, lambda a, b: None, lambda a, b: SCORES[0], lambda a, b: 3):
        assert_named(lambda value=value: class_distances(GRID, value), "matcher")
        assert_named(lambda value=value: memory(GRID, value), "matcher")
    assert_named(lambda: correspondences(None, GRID[0], GRID[0]), "matcher")
    assert_named(lambda: MATCHER.train()(GRID, share=3), "share")
    assert_named(lambda: class_distances(GRID, MATCHER, divided="no"), "divided")
    assert_named(lambda: QAConv(3, 2, 2, separate_weights="no"), "separate_weights")
    assert_named(lambda: SoftmaxClassifier(3, 2, norm="no"), "norm")
    assert_named(lambda: backend.set_backend("auto", strict="no"), "strict")


def test_one_weight_is_not_for_maps_of_transposed_sizes():
    upright, lying = torch.zeros(1, 3, 4, 2), torch.zeros(1, 3, 2, 4)
    weight = torch.zeros(8)
    assert_named(lambda: match_scores(upright, lying, weight), "gallery_weight")
    assert_named(lambda: nearest_matches(upright, lying, weight, k=1), "gallery_weight")
    assert_named(lambda: QAConv(3, 4, 2)(upright, lying), "gallery")
    match_scores(upright, lying, weight, gallery_weight=weight)
    match_scores(upright, lying.flatten(2), weight)


def test_a_result_that_no_memory_holds():
    many = torch.zeros(1, 1, 1).expand(2**22, 1, 1)
    more = torch.zeros(1, 1, 1).expand(2**40, 1, 1)
    for call in (
        lambda: match_scores(many, many, torch.ones(1)),
        lambda: pairwise_distance(more, torch.ones(1)),
        lambda: correlation_max(many, many),
        lambda: correlation_max_self(many),
    ):
        assert_named(call, "maps", MemoryError)


@pytest.mark.parametrize(
    "text",
    [
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 70368744177664 bytes.",
        "Storage size calculation overflowed with sizes=[1099511627776, 1099511627776]",
        # All that 2.10 says, whatever the cause.
        'torch_call_dispatcher( "aten::new_empty", "", stack.data()) API call failed',
    ],
)
def test_whatever_torch_calls_too_little_memory(text):
    def run(maps):
        raise RuntimeError(text)

    assert_named(lambda: within_memory(run, GRID), "maps", MemoryError)

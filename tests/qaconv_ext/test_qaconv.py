"""The QAConv module against its formula written out with torch's own modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qaconv_ext.graph import class_distances
from qaconv_ext.qaconv import QAConv
from qaconv_ext.reference import PlainQAConv
from support.compare import assert_relative, assert_same_bits
from support.devices import on_every_device

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def matchers(dtype, device, train, seed=0, separate=False):
    torch.manual_seed(seed)
    plain = PlainQAConv(4, 3, separate_weights=separate)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.uniform_(-1, 1)  # of both signs: the weights are not constrained
        for norm in (plain.bn, plain.logit_bn):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 2)
    fused = QAConv(9, 4, 3, separate_weights=separate)
    fused.load_state_dict(plain.state_dict())
    return [m.to(device, dtype).train(train) for m in (plain, fused)]


def unit_maps(count, dtype, device, seed):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, 9, 4, 3, generator=generator, dtype=torch.float64)
    return nn.functional.normalize(maps, dim=1).to(device, dtype)


@on_every_device
@pytest.mark.parametrize("separate", [False, True], ids=["one", "separate"])
@pytest.mark.parametrize("self_match", [False, True], ids=["two", "self"])
@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_equals_the_plain_formula(dtype, train, self_match, separate, device):
    plain, fused = matchers(dtype, device, train, separate=separate)
    results = []
    for matcher in (plain, fused):
        probe = unit_maps(4, dtype, device, 1).requires_grad_()
        gallery = probe if self_match else unit_maps(5, dtype, device, 2).requires_grad_()
        # The plain formula is given the probes twice: its gradient adds up by itself.
        scores = matcher(probe, None if self_match and matcher is fused else gallery)
        factor = torch.randn(scores.shape, generator=torch.Generator().manual_seed(3)).to(scores)
        (scores * factor).sum().backward()
        results.append((scores, probe.grad, gallery.grad, matcher))
    (wanted, *gradients, _), (got, *got_gradients, _) = results
    assert_relative(got, wanted, TOLERANCE[dtype])
    for a, b in zip(got_gradients, gradients, strict=True):
        assert_relative(a, b, TOLERANCE[dtype])
    scale = max(p.grad.abs().max() for p in plain.parameters()).item()
    named = dict(plain.named_parameters())
    for name, parameter in fused.named_parameters():
        # In training mode the bias before a batch norm has no effect: rounding of the others' size.
        difference = (parameter.grad - named[name].grad).abs().max().item()
        assert difference <= TOLERANCE[dtype] * scale, name
    for name, buffer in fused.named_buffers():
        torch.testing.assert_close(
            buffer, dict(plain.named_buffers())[name], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )


@on_every_device
def test_symmetric_and_folded(device):
    _, matcher = matchers(torch.float32, device, train=False)
    maps = unit_maps(6, torch.float32, device, 4)
    scores = matcher(maps)
    assert_same_bits(scores, scores.T)
    assert_same_bits(scores, matcher(maps, maps))
    weight, bias = matcher.folded()
    assert weight.dtype == torch.float64
    assert weight.shape == (12,)
    assert bias.shape == (1,)


@on_every_device
def test_separate_weights_tell_the_sides_apart(device):
    _, matcher = matchers(torch.float32, device, train=False, separate=True)
    assert not matcher.symmetric
    maps, others = (unit_maps(n, torch.float32, device, n) for n in (6, 9))
    scores = matcher(maps)
    assert_same_bits(scores, matcher(maps, maps))
    assert not torch.allclose(scores, scores.T, atol=1e-3)
    weight, _ = matcher.folded()
    probe_weight, gallery_weight = matcher.sides(weight)
    assert torch.equal(torch.cat([probe_weight, gallery_weight]), weight)
    assert weight.shape == (24,)
    found = matcher.nearest_matches(maps, others, k=9)
    wanted = matcher(maps, others).sort(dim=1, descending=True)
    assert_same_bits(found.scores, wanted.values)
    with pytest.raises(ValueError, match="gallery: got None with separate_weights, wanted maps"):
        matcher.nearest_matches(maps, k=2)
    distances = class_distances(maps, matcher, block=4)
    assert_same_bits(distances, -scores)


def test_separate_weights_start_at_random():
    torch.manual_seed(0)
    one, other = (QAConv(4, 3, 2, separate_weights=True) for _ in range(2))
    assert not torch.equal(one.fc.weight, other.fc.weight)
    assert one.fc.weight.shape == (1, 12)


@on_every_device
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_maps_are_summed_in_float32(dtype, device):
    _, matcher = matchers(torch.float32, device, train=False)
    maps = unit_maps(4, dtype, device, 5)
    assert_same_bits(matcher(maps), matcher(maps.float()))
    matcher.train()
    assert matcher(maps).dtype == torch.float32


def test_parameters_are_those_of_the_authors_checkpoints():
    state = QAConv(128, 24, 8).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "bn.weight": (1,),
        "bn.bias": (1,),
        "bn.running_mean": (1,),
        "bn.running_var": (1,),
        "bn.num_batches_tracked": (),
        "fc.weight": (1, 192),
        "fc.bias": (1,),
        "logit_bn.weight": (1,),
        "logit_bn.bias": (1,),
        "logit_bn.running_mean": (1,),
        "logit_bn.running_var": (1,),
        "logit_bn.num_batches_tracked": (),
    }
    assert (state["fc.weight"] == 1 / 192).all()


def test_untrained_score_is_the_mean_of_the_maxima():
    matcher = QAConv(9, 4, 3).eval()
    maps = unit_maps(3, torch.float64, "cpu", 6)
    flat = maps.flatten(2)
    correlation = torch.einsum("pcs,gcr->pgrs", flat, flat)
    mean = correlation.amax(2).mean(-1) + correlation.amax(3).mean(-1)
    torch.testing.assert_close(matcher.double()(maps), mean, rtol=1e-4, atol=0)  # eps of the norms


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (torch.zeros(2, 9, 4, 4), r"probe: got shape \[2, 9, 4, 4\], wanted \[N, 9, 4, 3\]"),
        (torch.zeros(2, 8, 4, 3), r"wanted \[N, 9, 4, 3\]"),
        (torch.zeros(9, 4, 3), r"probe: got shape \[9, 4, 3\]"),
    ],
)
def test_maps_of_another_matcher(maps, message):
    with pytest.raises(ValueError, match=message):
        QAConv(9, 4, 3)(maps)


def test_bad_construction_and_state():
    with pytest.raises(ValueError, match="height: got 0"):
        QAConv(9, 0, 3)
    with pytest.raises(ValueError, match="at least 2 in training"):
        QAConv(9, 4, 3)(torch.zeros(1, 9, 4, 3))
    matcher = QAConv(9, 4, 3).eval()
    matcher.bn.train()
    with pytest.raises(RuntimeError, match="bn and logit_bn"):
        matcher(torch.zeros(2, 9, 4, 3))

"""The folded head is kept while its numbers stay, and never longer."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.func import functional_call, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from qaconv_ext._library import LIBRARY
from qaconv_ext.qaconv import QAConv
from support.devices import on_every_device


@pytest.fixture
def matcher():
    torch.manual_seed(0)
    matcher = QAConv(4, 3, 2).eval()
    with torch.no_grad():
        for tensor in (*matcher.parameters(), *matcher.bn.buffers(), *matcher.logit_bn.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return matcher


@pytest.fixture
def maps():
    return torch.nn.functional.normalize(torch.randn(3, 4, 3, 2), dim=1)


@pytest.fixture
def folds(monkeypatch):
    """How often the head was folded."""
    calls = []
    once = QAConv.folded

    def folded(self):
        calls.append(self)
        return once(self)

    monkeypatch.setattr(QAConv, "folded", folded)
    return calls


def truth(matcher, maps):
    """The scores of a matcher that has kept nothing."""
    with torch.no_grad():
        return copy.deepcopy(matcher)(maps, maps)


def test_the_head_is_folded_once_while_it_stays(matcher, maps, folds):
    with torch.no_grad():
        first = matcher(maps, maps)
        assert torch.equal(matcher(maps, maps), first)
        matcher(maps)
        matcher.nearest_matches(maps, k=1)
    assert len(folds) == 1


def _in_place(matcher):
    with torch.no_grad():
        matcher.fc.weight.mul_(2)


def _statistics(matcher):
    matcher.bn.running_var.mul_(3)


def _optimizer(matcher):
    optimizer = torch.optim.SGD(matcher.parameters(), lr=0.1)
    for parameter in matcher.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def _state(matcher):
    other = QAConv(4, 3, 2)
    torch.nn.init.normal_(other.fc.weight)
    matcher.load_state_dict(other.state_dict())


def _replaced(matcher):
    matcher.logit_bn.weight = torch.nn.Parameter(torch.tensor([0.25]))


def _moved(matcher):
    matcher.double().float()
    matcher.fc.weight = torch.nn.Parameter(matcher.fc.weight * 2)


def _loaded_in_their_place(matcher):
    state = {name: value + 1 for name, value in matcher.state_dict().items()}
    matcher.load_state_dict(state, assign=True)


def _through_a_view(matcher):
    matcher.fc.weight.detach()[0, 3] += 1


def _in_inference_mode(matcher):
    with torch.inference_mode():
        matcher.fc.bias.add_(1)


def _other_memory(matcher):
    # The memory of the first is free for the third.
    for factor in (2, 3, 4):
        matcher.fc.weight.data = matcher.fc.weight.data * factor


def _round_trip(matcher):
    matcher.double()
    with torch.no_grad():
        matcher.fc.weight.mul_(2)
    matcher.float()


def _eps(matcher):
    matcher.bn.eps = 0.5


def _a_norm_trained_alone(matcher):
    # Torch does not count the change of the statistics.
    matcher.logit_bn.train()
    matcher.logit_bn(torch.randn(4, 1, 3))
    matcher.logit_bn.eval()


def _untold_before_eval(matcher):
    matcher.fc.weight.data.mul_(2)
    matcher.fc.weight.detach().numpy()[0, 0] += 1
    matcher.eval()


def _trained(matcher):
    matcher.train()
    matcher(torch.nn.functional.normalize(torch.randn(5, 4, 3, 2), dim=1))
    matcher.eval()


CHANGES = [
    _in_place,
    _statistics,
    _optimizer,
    _state,
    _replaced,
    _moved,
    _loaded_in_their_place,
    _through_a_view,
    _in_inference_mode,
    _other_memory,
    _round_trip,
    _eps,
    _a_norm_trained_alone,
    _untold_before_eval,
    _trained,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(matcher, maps, change):
    with torch.no_grad():
        before = matcher(maps, maps)
    change(matcher)
    with torch.no_grad():
        after = matcher(maps, maps)
    assert not torch.equal(before, after)
    assert torch.equal(after, truth(matcher, maps))


def test_each_type_of_maps_has_its_fold(matcher, maps):
    with torch.no_grad():
        single, double = matcher(maps, maps), matcher(maps.double(), maps.double())
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=1e-5)


def test_with_a_gradient_nothing_is_kept(matcher, maps, folds):
    with torch.no_grad():
        matcher(maps, maps)
    matcher(maps, maps).sum().backward()
    assert matcher.fc.weight.grad is not None
    assert len(folds) == 2


@pytest.mark.parametrize("how", [{"fused": True}, {"foreach": True}, {}], ids=str)
def test_a_step_is_seen_whatever_counts_it(matcher, maps, how):
    """A fused optimizer changes parameters and leaves their versions as they were."""
    optimizer = torch.optim.Adam(matcher.parameters(), lr=0.1, **how)
    for _ in range(3):
        with torch.no_grad():
            matcher(maps)
        loss = matcher(maps).sum()
        with torch.no_grad():  # between the forward and the step
            before = matcher(maps, maps)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            after = matcher(maps, maps)
        assert not torch.equal(before, after)
        assert torch.equal(after, truth(matcher, maps))


def test_after_eval_the_fold_is_kept_again(matcher, maps, folds):
    matcher(maps).sum().backward()
    matcher.eval()
    with torch.no_grad():
        matcher(maps)
        matcher(maps)
    assert len(folds) == 2


def test_maps_may_want_a_gradient_where_the_head_does_not(matcher, maps, folds):
    matcher.requires_grad_(False)
    for _ in range(2):
        leaf = maps.clone().requires_grad_()
        matcher(leaf).sum().backward()
        assert leaf.grad is not None
    assert len(folds) == 1


class Calls(TorchDispatchMode):
    """What operators are called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@on_every_device
def test_a_kept_head_costs_no_launch(matcher, maps, device):
    if not LIBRARY.has_kernels_for(device):
        pytest.skip("the kernels were not compiled")
    matcher, maps = matcher.to(device), maps.to(device)
    with torch.no_grad():
        matcher(maps, maps)
        with Calls() as calls:
            matcher(maps, maps)
    assert set(calls.names) <= {"view", "_unsafe_view", "detach", "alias", "match_scores"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_each_stream_of_cuda_has_its_fold(matcher, maps, folds):
    """What is folded on one stream need not be there yet on another."""
    matcher, maps = matcher.cuda(), maps.cuda()
    with torch.no_grad():
        first = matcher(maps)
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()):
            second = matcher(maps)
        torch.cuda.synchronize()
    assert len(folds) == 2
    assert torch.equal(first, second)


def test_functional_calls_and_vmap_fold_what_they_are_given(matcher, maps, folds):
    other = {name: value * 2 for name, value in matcher.named_parameters()}
    with torch.no_grad():
        matcher(maps)
        assert not torch.equal(functional_call(matcher, other, (maps,)), matcher(maps))
        assert torch.equal(matcher(maps), truth(matcher, maps))

        def weight(parameters):
            return functional_call(_Head(matcher), {"matcher.fc.weight": parameters}, (maps,))

        both = torch.stack((matcher.fc.weight, matcher.fc.weight * 2))
        single, double = vmap(weight)(both)
    torch.testing.assert_close(double, single * 2)


class _Head(torch.nn.Module):
    def __init__(self, matcher):
        super().__init__()
        self.matcher = matcher

    def forward(self, maps):
        return self.matcher._fold_for(maps)[0]


def test_compiled_as_a_whole_it_follows_its_parameters(matcher, maps):
    compiled = torch.compile(matcher, fullgraph=True, backend="eager")
    with torch.no_grad():
        matcher(maps)
        for _ in range(2):
            assert torch.equal(compiled(maps), matcher(maps))
            matcher.fc.weight.mul_(2)
        assert torch.equal(matcher(maps, maps), truth(matcher, maps))


def test_inference_mode_keeps_nothing_that_others_could_not_use(matcher, maps, folds):
    with torch.inference_mode():
        inside = matcher(maps, maps)
        assert torch.equal(matcher(maps, maps), inside)
    assert len(folds) == 1
    with torch.no_grad():
        assert torch.equal(matcher(maps, maps), inside)
    matcher(maps.requires_grad_(), maps).sum().backward()


def test_a_matcher_made_in_inference_mode(maps, folds):
    with torch.inference_mode():
        matcher = QAConv(4, 3, 2).eval()
        before = matcher(maps)
        matcher.fc.weight.mul_(2)
        assert not torch.equal(matcher(maps), before)
    assert len(folds) == 2


def test_copies_and_pickles_begin_anew(matcher, maps):
    with torch.no_grad():
        scores = matcher(maps, maps)
        for other in (copy.deepcopy(matcher), pickle.loads(pickle.dumps(matcher))):
            assert torch.equal(other(maps, maps), scores)
            other.fc.weight.mul_(2)
            assert not torch.equal(other(maps, maps), scores)
        assert torch.equal(matcher(maps, maps), scores)

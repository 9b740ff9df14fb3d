"""The folded head is kept while its numbers stay, and never longer."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from qaconv_ext.qaconv import QAConv


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


def _trained(matcher):
    matcher.train()
    matcher(torch.nn.functional.normalize(torch.randn(5, 4, 3, 2), dim=1))
    matcher.eval()


@pytest.mark.parametrize(
    "change", [_in_place, _statistics, _optimizer, _state, _replaced, _moved, _trained]
)
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


def test_inference_mode_keeps_nothing_that_others_could_not_use(matcher, maps):
    with torch.inference_mode():
        inside = matcher(maps, maps)
    with torch.no_grad():
        assert torch.equal(matcher(maps, maps), inside)
    matcher(maps.requires_grad_(), maps).sum().backward()


def test_copies_and_pickles_begin_anew(matcher, maps):
    with torch.no_grad():
        scores = matcher(maps, maps)
        for other in (copy.deepcopy(matcher), pickle.loads(pickle.dumps(matcher))):
            assert torch.equal(other(maps, maps), scores)
            other.fc.weight.mul_(2)
            assert not torch.equal(other(maps, maps), scores)
        assert torch.equal(matcher(maps, maps), scores)

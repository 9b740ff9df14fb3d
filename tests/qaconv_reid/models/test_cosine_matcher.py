"""The matchers of one vector an image: what they compute, and that they take QAConv's place."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qaconv_ext.graph import class_distances
from qaconv_ext.qaconv import QAConv
from qaconv_reid.config import ConfigError
from qaconv_reid.models import CosineMatcher, dense


def maps(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(count, 5, 4, 3, generator=generator), dim=1)


@pytest.mark.parametrize("count", [1, 4])
def test_an_untrained_score_is_the_cosine(count):
    matcher = CosineMatcher(5, 4, 3, count).eval()
    probe, gallery = maps(3, 0), maps(6, 1)
    wanted = torch.empty(3, 6)
    for p in range(3):
        for g in range(6):
            one, other = (
                side.mean(dim=(1, 2)) if count == 1 else side.mean(dim=2).T.flatten()
                for side in (probe[p], gallery[g])
            )
            wanted[p, g] = nn.functional.cosine_similarity(one, other, dim=0)
    # The untrained norm divides by the root of 1 + eps.
    torch.testing.assert_close(matcher(probe, gallery), wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(matcher(probe), matcher(probe, probe))
    distances = class_distances(probe, matcher)
    torch.testing.assert_close(distances, -matcher(probe))


def test_training_does_not_change_what_a_cosine_is():
    matcher = CosineMatcher(5, 4, 3, 1)
    wanted = matcher.eval()(maps(8, 0))
    assert torch.equal(matcher.train()(maps(8, 0)), wanted)
    assert not matcher.logit_bn.training
    assert {name for name, p in matcher.named_parameters()} == {"logit_bn.weight", "logit_bn.bias"}
    assert matcher.logit_bn.running_var.item() == 1


def test_only_the_dense_matcher_can_be_taken_apart():
    matcher = QAConv(5, 4, 3)
    assert dense(matcher, "a gallery") is matcher
    with pytest.raises(ConfigError) as caught:
        dense(CosineMatcher(5, 4, 3, 1), "a gallery")
    assert str(caught.value) == (
        "matcher.kind: got a cosine of vectors, wanted qaconv for a gallery"
    )


@pytest.mark.parametrize("count", [1, 4])
def test_vectors_that_lie_close_together_are_spread_by_their_norm(count):
    matcher = CosineMatcher(5, 4, 3, count, norm=True).train()
    close = nn.functional.normalize(5 + maps(16, 0), dim=1)
    scores = matcher(close)
    others = scores[~torch.eye(16, dtype=torch.bool)]
    assert CosineMatcher(5, 4, 3, count).eval()(close).min() > 0.95
    assert abs(others.mean()) < 0.2
    assert others.std() > 0.1
    # One vector an image in evaluation mode, whatever else is compared.
    matcher.eval()
    torch.testing.assert_close(matcher(close)[:3, 5:], matcher(close[:3], close[5:]))
    assert not matcher.norm.bias.requires_grad

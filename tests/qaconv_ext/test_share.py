"""A batch that several processes have divided gives what one process would have computed."""

from __future__ import annotations

import pytest
import torch
from torch import distributed
from torch.autograd import forward_ad
from torch.nn.functional import normalize

from qaconv_ext.graph import class_distances
from qaconv_ext.losses import ClassMemory, ClassMemoryLoss, HardTripletLoss, PairwiseMatchingLoss
from qaconv_ext.qaconv import BatchShare, QAConv
from support.processes import in_processes

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="torch without distributed")

LABELS = torch.arange(10) // 2


def maps(count=10, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, 6, 4, 2, generator=generator, dtype=dtype), dim=1)


def matcher(separate=False):
    torch.manual_seed(1)
    head = QAConv(6, 4, 2, separate_weights=separate).double()
    torch.nn.init.normal_(head.fc.weight)
    return head


def outcome(head, scores, loss, own):
    loss.backward()
    gradients = [weight.grad for weight in head.parameters()]
    state = [buffer.double() for buffer in head.buffers()]
    return [t.detach().numpy() for t in (scores, loss, own.grad, *gradients, *state)]


def self_match(criterion, separate, divided):
    share = BatchShare(10) if divided else None
    own = maps()[share.rows if share else slice(None)].clone().requires_grad_()
    head = matcher(separate)
    scores = head(own, share=share)
    return outcome(head, scores, criterion(scores, LABELS), own)


def against_memory(divided):
    share = BatchShare(10) if divided else None
    own = maps()[share.rows if share else slice(None)].clone().requires_grad_()
    head = matcher(separate=True)
    memory = ClassMemory(5, 6, 4, 2, mem_batch_size=3).double()
    memory.update(maps(5, seed=3), torch.arange(5))
    scores, classes = memory(own, lambda p, g: head(p, g, share=share))
    return outcome(head, scores, ClassMemoryLoss()(scores, LABELS, classes), own)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["triplet", "pairwise", "separate", "memory"])
def test_scores_loss_gradients_and_statistics(size, kind):
    """10 rows by 3 and 4 processes: parts of unequal length."""
    criterion = HardTripletLoss() if kind == "triplet" else PairwiseMatchingLoss()
    work = against_memory if kind == "memory" else self_match
    before = () if kind == "memory" else (criterion, kind == "separate")
    wanted = work(*before, False)
    parts = in_processes(size, work, *before, True)

    gradient = torch.cat([torch.from_numpy(part.pop(2)) for part in parts])
    torch.testing.assert_close(gradient, torch.from_numpy(wanted.pop(2)), rtol=1e-9, atol=1e-12)
    for part in parts:
        for got, value in zip(part, wanted, strict=True):
            torch.testing.assert_close(
                torch.from_numpy(got), torch.from_numpy(value), rtol=1e-9, atol=1e-12
            )
        # All processes step alike: not only nearly.
        assert all((got == first).all() for got, first in zip(part, parts[0], strict=True))


def distances():
    return class_distances(maps(300, dtype=torch.float32), matcher().float(), divided=True).numpy()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_distances_are_the_same_bits_for_any_number_of_processes(size):
    wanted = class_distances(maps(300, dtype=torch.float32), matcher().float())
    for got in in_processes(size, distances):
        assert torch.equal(torch.from_numpy(got), wanted)


def too_small():
    with pytest.raises(ValueError, match="total: got 1 rows, wanted at least one for each of 2"):
        BatchShare(1)


def test_a_batch_smaller_than_the_processes_is_refused():
    in_processes(2, too_small)


def other_derivatives():
    share = BatchShare(4)
    head, own = matcher(), maps(4).requires_grad_()
    (gradient,) = torch.autograd.grad(head(own, share=share).sum(), own, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()
    refused = pytest.raises(
        NotImplementedError, match=r"share: got a transform of torch\.func or a"
    )
    with refused:
        torch.func.grad(lambda part: share.gather(part).sum())(maps(4))
    with refused, forward_ad.dual_level():
        head(forward_ad.make_dual(maps(4), maps(4)), share=share)


def test_a_divided_batch_has_no_other_derivative():
    in_processes(1, other_derivatives)


def test_a_share_needs_a_group_and_training_mode():
    with pytest.raises(RuntimeError, match="group: got no process group"):
        BatchShare(4)
    with pytest.raises(RuntimeError, match="share: got one in evaluation mode"):
        matcher().eval()(maps(), share=object())

"""Each loss is called as a criterion of torch is: what a call returns, and its ``reduction``."""

import math

import pytest
import torch
from torch import Tensor

from qaconv_ext.losses import (
    ClassMemoryLoss,
    HardTripletLoss,
    LossResult,
    PairwiseMatchingLoss,
    SoftmaxClassifier,
)

LABELS = torch.tensor([0, 0, 1, 1, 2, 0])


def rows(*shape):
    """Of six rows, the second with a NaN."""
    values = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[1].flatten()[0] = math.nan
    return values


def classifier(**settings):
    torch.manual_seed(0)
    return SoftmaxClassifier(4, 3, **settings).double()


# The criterion, its input, and which rows count: class 2 has no positive within the batch.
LOSSES = {
    "triplet": (HardTripletLoss, rows(6), [0, 2, 3, 5]),
    "pairwise": (PairwiseMatchingLoss, rows(6), [0, 2, 3, 5]),
    "memory": (ClassMemoryLoss, rows(3), [0, 2, 3, 4, 5]),
    "classifier": (classifier, rows(4, 2, 1), [0, 2, 3, 4, 5]),
}
every_loss = pytest.mark.parametrize("name", LOSSES)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


@every_loss
def test_over_the_rows_that_count(name):
    build, values, counted = LOSSES[name]
    each = build(reduction="none")(values, LABELS)
    assert each.shape == (6,)
    assert each.nonzero().flatten().tolist() == counted
    total, mean = build(reduction="sum")(values, LABELS), build()(values, LABELS)
    assert total.shape == mean.shape == ()
    torch.testing.assert_close(total, each[counted].sum(), rtol=1e-14, atol=0)
    assert mean == total / len(counted)
    assert build(reduction="mean")(values, LABELS) == mean


@every_reduction
@every_loss
def test_a_log_has_the_same_loss(name, reduction):
    build, values, counted = LOSSES[name]
    loss = build(reduction=reduction)
    result = loss.detailed(values, LABELS)
    assert isinstance(result, LossResult)
    assert torch.equal(result.loss, loss(values, LABELS))
    # All else is of the rows, whatever becomes of their losses.
    usual = build().detailed(values, LABELS)
    assert result[1:] == usual[1:]
    assert (result.counted, result.dropped) == (len(counted), 1)


@every_reduction
@every_loss
def test_other_rows_get_no_gradient(name, reduction):
    build, values, counted = LOSSES[name]
    values = values.clone().requires_grad_()
    build(reduction=reduction)(values, LABELS).sum().backward()
    reached = values.grad.flatten(1).ne(0).any(dim=1)
    assert reached.nonzero().flatten().tolist() == counted
    assert values.grad.isfinite().all()


@every_reduction
@every_loss
def test_no_row_counts(name, reduction):
    build, values, _ = LOSSES[name]
    values = torch.full_like(values, math.nan).requires_grad_()
    loss = build(reduction=reduction)(values, LABELS)
    assert loss.eq(0).all()
    loss.sum().backward()
    assert values.grad.eq(0).all()


@every_reduction
@every_loss
def test_gradients_tangents_transforms_and_compilation(name, reduction):
    build, values, counted = LOSSES[name]
    loss, labels = build(reduction=reduction), LABELS[counted]
    values = values[counted]  # finite
    if name in ("triplet", "pairwise"):
        values = values[:, counted]

    def run(values: Tensor) -> Tensor:
        return loss(values, labels)

    assert torch.autograd.gradcheck(
        run, values.clone().requires_grad_(), check_forward_ad=True, check_batched_grad=True
    )
    leaf = values.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(run(leaf).sum(), leaf)
    torch.testing.assert_close(torch.func.grad(lambda v: run(v).sum())(values), wanted)
    several = torch.stack((values, 2 * values))
    mapped = torch.func.vmap(run)(several)
    torch.testing.assert_close(mapped, torch.stack([run(one) for one in several]))
    torch.compiler.reset()  # each criterion counts as a recompilation of `run`, and few are allowed
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(values), run(values))


@every_loss
@pytest.mark.parametrize("reduction", ["batchmean", "", "Mean", None, 1, ["mean"]])
def test_another_reduction_is_refused(name, reduction):
    build, values, _ = LOSSES[name]
    text = r"^reduction: got .*, wanted one of mean, sum, none$"
    with pytest.raises(ValueError, match=text):
        build(reduction=reduction)
    loss = build()
    loss.reduction = reduction  # torch's criteria allow it, and complain when called
    with pytest.raises(ValueError, match=text):
        loss(values, LABELS)

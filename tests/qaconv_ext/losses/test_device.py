"""The losses never wait for the device: a look at a value would fail on tensors that have none."""

import pytest
import torch

from qaconv_ext.losses import (
    ClassMemory,
    ClassMemoryLoss,
    HardTripletLoss,
    PairwiseMatchingLoss,
    SoftmaxClassifier,
)

LABELS = torch.zeros(6, dtype=torch.long, device="meta")


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (HardTripletLoss(), (6, 6)),
        (PairwiseMatchingLoss(), (6, 6)),
        (ClassMemoryLoss(), (6, 9)),
        (SoftmaxClassifier(4, 9).to("meta"), (6, 4, 3, 2)),
    ],
)
def test_no_loss_looks_at_a_value(loss, shape):
    rows = torch.zeros(shape, device="meta", requires_grad=True)
    result = loss.detailed(rows, LABELS)
    assert {value.device.type for value in result} == {"meta"}
    assert [value.shape for value in result] == [()] * 5
    assert [value.dtype for value in result] == [torch.float32] * 3 + [torch.int64] * 2
    loss(rows, LABELS).backward()
    assert rows.grad.shape == shape


def test_the_update_of_the_memory_does_not_either():
    ClassMemory(9, 4, 3, 2).to("meta").update(torch.zeros(6, 4, 3, 2, device="meta"), LABELS)


def test_tensors_of_two_devices_are_refused():
    with pytest.raises(ValueError, match="labels: got device meta, wanted cpu as scores"):
        HardTripletLoss()(torch.zeros(6, 6), LABELS)

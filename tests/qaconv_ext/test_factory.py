"""Modules with numbers of their own are made where and as torch's are: ``device`` and ``dtype``."""

import pytest
import torch

from qaconv_ext.losses import ClassMemory, ClassMemoryLoss, SoftmaxClassifier
from qaconv_ext.qaconv import QAConv
from support.devices import on_every_device

MODULES = {
    "matcher": lambda **where: QAConv(3, 4, 2, **where),
    "separate weights": lambda **where: QAConv(3, 4, 2, separate_weights=True, **where),
    "memory": lambda **where: ClassMemory(5, 3, 4, 2, **where),
    "classifier": lambda **where: SoftmaxClassifier(3, 5, **where),
    "normed classifier": lambda **where: SoftmaxClassifier(3, 5, norm=True, **where),
}
every_module = pytest.mark.parametrize("build", MODULES.values(), ids=MODULES)


def floating(module):
    return [value for value in module.state_dict().values() if value.is_floating_point()]


@every_module
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtype(build, dtype):
    module = build(dtype=dtype)
    assert {value.dtype for value in floating(module)} == {dtype}
    # All else is as it would be: counters, and which classes have been seen.
    plain = build()
    assert {value.dtype for value in floating(plain)} == {torch.float32}
    others = {
        name: value.dtype
        for name, value in plain.state_dict().items()
        if not value.is_floating_point()
    }
    assert {name: module.state_dict()[name].dtype for name in others} == others


@every_module
def test_nothing_lies_elsewhere(build):
    for module in (build(device="meta"), build(device=torch.device("meta"))):
        assert {value.device.type for value in module.state_dict().values()} == {"meta"}
    with torch.device("meta"):
        assert {value.device.type for value in build().state_dict().values()} == {"meta"}
        assert {value.device.type for value in build(device="cpu").state_dict().values()} == {"cpu"}


@every_module
def test_the_same_numbers_as_without(build):
    torch.manual_seed(0)
    wanted = build().state_dict()
    torch.manual_seed(0)
    found = build(device="cpu", dtype=torch.float32).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_matcher_on_no_device_starts_later():
    matcher = QAConv(3, 4, 2, device="meta").to_empty(device="cpu")
    matcher.reset_parameters()
    wanted = QAConv(3, 4, 2).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in matcher.state_dict().items())


@on_every_device
def test_a_step_in_float64(device):
    where = {"device": device, "dtype": torch.float64}
    torch.manual_seed(0)
    maps = torch.nn.functional.normalize(torch.randn(5, 3, 4, 2, **where), dim=1).requires_grad_()
    labels = torch.arange(5, device=device)
    memory, matcher = ClassMemory(5, 3, 4, 2, **where), QAConv(3, 4, 2, **where)
    memory.update(maps.detach(), labels)
    scores, classes = memory(maps, matcher)
    loss = ClassMemoryLoss()(scores, labels, classes)
    loss = loss + SoftmaxClassifier(3, 5, **where)(maps, labels)
    assert loss.dtype == torch.float64
    loss.backward()
    assert maps.grad.isfinite().all()
    assert maps.grad.ne(0).any()


@every_module
@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool, "float32", float, 1])
def test_another_dtype_is_refused(build, dtype):
    with pytest.raises(TypeError, match=r"^dtype: got .+, wanted one of float32, .+ of torch$"):
        build(dtype=dtype)


@every_module
@pytest.mark.parametrize("device", ["nowhere", "", 1.5, [], True, 10**400])
def test_another_device_is_refused(build, device):
    with pytest.raises(ValueError, match=r"^device: got .+, wanted a torch.device or its name$"):
        build(device=device)

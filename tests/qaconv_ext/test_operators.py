"""What torch wants of operators: schemas, fakes, autograd, autocast, compilation."""

from __future__ import annotations

import pytest
import torch
from torch.library import opcheck

from qaconv_ext._library import LIBRARY
from qaconv_ext.qaconv import QAConv, correlation_max, match_scores, pairwise_distance
from support.cases import Case
from support.compare import assert_relative, assert_same_bits
from support.devices import on_every_device

pytestmark = [
    on_every_device,
    pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason),
]
CASE = Case(3, 4, 5, 7, 6)


def arguments(device, dtype=torch.float32, gradient=True):
    probe, gallery = CASE.maps(dtype, device)
    sums = torch.float64 if dtype == torch.float64 else torch.float32
    weight, other = (torch.rand(n, device=device, dtype=sums) for n in (7, 6))
    bias = torch.rand(1, device=device, dtype=sums)
    tensors = probe, gallery, weight, other, bias
    return [t.requires_grad_(gradient) for t in tensors]


def samples(name, device):
    """Every operator with inputs that reach each of its branches."""
    probe, gallery, weight, other, bias = arguments(device)
    if name == "correlation_max":
        yield (probe, gallery)
        yield (probe.detach(), gallery)
    elif name == "correlation_max_self":
        yield (probe,)
    elif name == "correlation_max_self_backward":
        maxima, index = torch.ops.qaconv.correlation_max_self(probe.detach())
        yield (maxima, probe.detach(), index)
    elif name == "correlation_max_backward":
        a, b = probe.detach(), gallery.detach()
        over_gallery, over_probe, *indices = torch.ops.qaconv.correlation_max(a, b)
        for wanted in ((True, True), (True, False), (False, True)):
            yield (over_gallery, over_probe, a, b, *indices, *wanted)
    elif name == "match_scores":
        yield (probe, gallery, weight, other, bias)
        yield (probe.detach(), gallery, weight.detach(), other, bias.detach())
    elif name == "match_scores_narrow":
        for precision in (0, 1) if device == "cpu" else ():
            yield (*(t.detach() for t in (probe, gallery, weight, other, bias)), precision)
    else:
        yield (probe, weight, bias)


@pytest.mark.parametrize(
    "name",
    [
        "correlation_max",
        "correlation_max_backward",
        "correlation_max_self",
        "correlation_max_self_backward",
        "match_scores",
        "match_scores_narrow",
        "pairwise_distance",
    ],
)
def test_opcheck(name, device):
    for sample in samples(name, device):
        opcheck(getattr(torch.ops.qaconv, name), sample)


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_compile_fullgraph(train, device):
    # The emulated device has no Triton; tracing, fakes and autograd are the same.
    backend = "inductor" if device == "cpu" else "aot_eager"
    torch._dynamo.reset()
    matcher = QAConv(5, 7, 1).to(device).train(train)
    compiled = torch.compile(
        lambda probe, gallery: matcher(probe) if train else matcher(probe, gallery),
        fullgraph=True,
        backend=backend,
    )
    for probes, galleries in ((3, 4), (5, 2)):  # the second asks for dynamic sizes
        maps = Case(probes, galleries, 5, 7, 7).maps(torch.float32, device)
        gradients = []
        for run in (compiled, matcher):
            probe, gallery = (m.reshape(-1, 5, 7, 1).clone().requires_grad_() for m in maps)
            scores = run(probe, gallery) if run is compiled or not train else run(probe)
            (scores * torch.arange(scores.numel(), device=device).view_as(scores)).sum().backward()
            gradients.append((scores, probe.grad) if train else (scores, probe.grad, gallery.grad))
        for got, wanted in zip(*gradients, strict=True):
            assert_relative(got, wanted, 1e-5)


def test_meta_tensors_give_shapes(device):
    probe, gallery, weight, *_ = (t.detach().to("meta") for t in arguments(device))
    assert correlation_max(probe, gallery).over_probe.shape == (3, 4, 6)
    assert pairwise_distance(probe, weight).shape == (3, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast(dtype, device):
    probe, gallery, weight, other, bias = arguments(device, gradient=False)
    probe.requires_grad_()
    with torch.autocast(device, dtype=dtype):
        scores = match_scores(probe, gallery, weight, bias, gallery_weight=other)
        maxima = correlation_max(probe, gallery)
    assert scores.dtype == torch.float32
    assert maxima.over_gallery.dtype == torch.float32
    # CUDA takes the maps in the autocast type, as a matrix product does; the CPU, whose kernels
    # compute in float32 in any case, leaves them.
    used = [m.to(dtype) for m in (probe, gallery)] if device == "cuda" else [probe, gallery]
    assert_same_bits(scores, match_scores(*used, weight, bias, gallery_weight=other))
    scores.sum().backward()
    assert probe.grad.dtype == torch.float32


def test_autocast_leaves_float64(device):
    probe, gallery, weight, other, bias = arguments(device, torch.float64, gradient=False)
    with torch.autocast(device, dtype=torch.bfloat16):
        scores = match_scores(probe, gallery, weight, bias, gallery_weight=other)
    assert scores.dtype == torch.float64


def test_direct_calls_are_bounded(device):
    """torch.ops is reachable without the Python checks: sizes that do not fit must be refused."""
    probe, gallery, weight, other, bias = arguments(device, gradient=False)
    operators = torch.ops.qaconv
    with pytest.raises(RuntimeError):
        operators.match_scores(probe, gallery, weight[:-1], other, bias)
    with pytest.raises(RuntimeError):
        operators.match_scores(probe, gallery[:, 1:], weight, other, bias)
    with pytest.raises(RuntimeError):
        operators.match_scores(probe, gallery.double(), weight, other, bias)
    with pytest.raises(RuntimeError):
        operators.pairwise_distance(probe.long(), weight, bias)
    over_gallery, over_probe, *indices = operators.correlation_max(probe, gallery)
    with pytest.raises(RuntimeError):
        operators.correlation_max_backward(
            over_gallery[:-1], over_probe, probe, gallery, *indices, True, True
        )

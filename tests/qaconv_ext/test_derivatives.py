"""Every derivative of every operator: reverse and forward, of second order, and under torch.func.

Finite differences are the truth, in float64; random maps have no ties, where there is none.
"""

from __future__ import annotations

import pytest
import torch
from torch import func
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.utils._pytree import tree_leaves

from qaconv_ext import backend
from qaconv_ext.graph import class_distances
from qaconv_ext.qaconv import (
    QAConv,
    correlation_max,
    correlation_max_self,
    match_scores,
    nearest_matches,
    pairwise_distance,
)
from support.cases import Case
from support.devices import on_every_device

pytestmark = on_every_device


@pytest.fixture(autouse=True)
def one_thread():
    """Finite differences call tiny operators by the thousand: threads would only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(*shape, device):
    return torch.rand(shape, dtype=torch.float64, device=device)


def operator(name, device):
    """A function of tensors, and inputs for it."""
    probe, gallery = Case(2, 3, 4, 5, 4).maps(torch.float64, device)
    weight, other, bias = (numbers(n, device=device) for n in (5, 4, 1))
    return {
        "correlation_max": (lambda a, b: tuple(correlation_max(a, b)[:2]), (probe, gallery)),
        "correlation_max_self": (lambda a: correlation_max_self(a)[0], (probe,)),
        "match_scores": (
            lambda a, b, w, v, c: match_scores(a, b, w, c, gallery_weight=v),
            (probe, gallery, weight, other, bias),
        ),
        "pairwise_distance": (pairwise_distance, (probe, weight, bias)),
    }[name]


every_operator = pytest.mark.parametrize(
    "name", ["correlation_max", "correlation_max_self", "match_scores", "pairwise_distance"]
)


def cube_sum(function):
    """A scalar whose second derivative is not that of a square."""
    return lambda *args: sum((part**3).sum() for part in tree_leaves(function(*args)))


def assert_alike(got, wanted, tolerance=1e-9):
    for one, other in zip(tree_leaves(got), tree_leaves(wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def difference(function, point, direction, step=1e-6):
    """The derivative in a direction, by a central difference."""
    ahead, behind = function(point + step * direction), function(point - step * direction)
    return (ahead - behind) / (2 * step)


@pytest.fixture(params=["auto", "reference"])
def implementation(request):
    backend.set_backend(request.param)
    yield request.param
    backend.set_backend("auto")


@every_operator
def test_first_and_second_derivatives(name, implementation, device):
    """Reverse, forward, batched; of second order reverse and forward over reverse."""
    function, inputs = operator(name, device)
    inputs = [value.clone().requires_grad_() for value in inputs]
    batched = implementation == "auto"  # torch's old vmap does not know the reference's einsum
    assert gradcheck(
        function,
        inputs,
        check_forward_ad=True,
        check_batched_grad=batched,
        check_batched_forward_grad=batched,
    )
    assert gradgradcheck(function, inputs, check_fwd_over_rev=True)


@every_operator
def test_one_input_alone_has_a_derivative(name, device):
    function, inputs = operator(name, device)
    for i in range(len(inputs)):
        own = [value.clone().requires_grad_(j == i) for j, value in enumerate(inputs)]
        assert gradcheck(function, own, check_forward_ad=True)
        assert gradgradcheck(function, own, check_fwd_over_rev=True)


@every_operator
def test_transforms_of_torch_func_agree(name, device):
    """Each order of nesting gives the same; the first derivatives are tested above."""
    function, inputs = operator(name, device)
    every = tuple(range(len(inputs)))
    assert_alike(func.jacfwd(function, every)(*inputs), func.jacrev(function, every)(*inputs))
    scalar = cube_sum(function)
    points = [value.clone().requires_grad_() for value in inputs]
    wanted = torch.autograd.functional.hessian(scalar, tuple(points))
    for outer in (func.jacfwd, func.jacrev):
        for inner in (func.jacfwd, func.jacrev):
            assert_alike(outer(inner(scalar, every), every)(*inputs), wanted)


@every_operator
def test_vmap_is_a_loop(name, device):
    function, inputs = operator(name, device)
    for i, value in enumerate(inputs):
        for dim in range(value.dim() + 1):
            batch = torch.stack([value, value * 0.5, value - 1], dim)
            dims = [None] * len(inputs)
            dims[i] = dim
            args = [*inputs[:i], batch, *inputs[i + 1 :]]
            got = func.vmap(function, tuple(dims), randomness="different")(*args)
            each = [function(*inputs[:i], one, *inputs[i + 1 :]) for one in batch.unbind(dim)]
            wanted = [torch.stack(parts) for parts in zip(*map(tree_leaves, each), strict=True)]
            for one, other in zip(tree_leaves(got), wanted, strict=True):
                assert torch.equal(one, other)


def test_vmap_nests_and_takes_no_slices(device):
    maps = numbers(2, 3, 4, 5, 6, device=device)
    gallery, weight = numbers(4, 5, 6, device=device), numbers(2, 6, device=device)
    inner = func.vmap(match_scores, (0, None, None))
    got = func.vmap(inner, (0, None, 0))(maps, gallery, weight)
    for i in range(2):
        for j in range(3):
            assert torch.equal(got[i, j], match_scores(maps[i, j], gallery, weight[i]))
    assert inner(maps[0, :0], gallery, weight[0]).shape == (0, 4, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_tangents_have_the_type_of_the_sums(dtype, device):
    probe, gallery = Case(2, 3, 4, 5, 4).maps(dtype, device)
    weights = [numbers(n, device=device).float() for n in (5, 4)]
    tangent = torch.ones_like(probe)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(probe, tangent)
        scores = match_scores(dual, gallery, weights[0], gallery_weight=weights[1])
        got = forward_ad.unpack_dual(scores).tangent
    wanted = func.jvp(
        lambda a: match_scores(
            a, gallery.double(), weights[0].double(), gallery_weight=weights[1].double()
        ),
        (probe.double(),),
        (tangent.double(),),
    )[1]
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, wanted.float(), rtol=1e-5, atol=1e-5)


def test_a_block_of_the_tangent_is_a_part_of_it(device, monkeypatch):
    from qaconv_ext._registration import derivatives

    function, inputs = operator("correlation_max", device)
    tangents = tuple(torch.randn_like(value) for value in inputs)
    whole = func.jvp(function, inputs, tangents)
    monkeypatch.setattr(derivatives, "_BLOCK", 1)
    assert_alike(func.jvp(function, inputs, tangents), whole, 1e-12)


def test_compiled_transforms(device):
    probe, gallery = Case(2, 3, 4, 5, 5).maps(torch.float64, device)
    weight = numbers(5, device=device)

    def scores(maps):
        return match_scores(maps, gallery, weight)

    for transformed in (
        lambda maps: func.jvp(scores, (maps,), (torch.ones_like(maps),))[1],
        lambda maps: func.grad(cube_sum(scores))(maps),
        lambda maps: func.vmap(scores)(maps[None]),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(transformed, fullgraph=True, backend="aot_eager")
        assert_alike(compiled(probe), transformed(probe))


# The matcher with its head


def matcher_and_maps(train, device, separate_weights=False):
    torch.manual_seed(3)
    matcher = (
        QAConv(4, 3, 2, separate_weights=separate_weights).to(device, torch.float64).train(train)
    )
    with torch.no_grad():
        for value in matcher.parameters():
            value.uniform_(0.5, 1.5)
    maps = [numbers(n, 4, 3, 2, device=device) - 0.5 for n in (2, 3)]
    return matcher, *maps


both_modes = pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
both_matches = pytest.mark.parametrize("itself", [False, True], ids=["gallery", "itself"])


@both_modes
@both_matches
@pytest.mark.parametrize("separate", [False, True], ids=["shared", "separate"])
def test_the_matcher_has_all_derivatives(train, itself, separate, device):
    matcher, probe, gallery = matcher_and_maps(train, device, separate)
    maps = (probe,) if itself else (probe, gallery)
    names = [name for name, _ in matcher.named_parameters()]
    buffers = dict(matcher.named_buffers())

    def scores(*values):
        # Copies: a training step changes them.
        copies = {name: value.clone() for name, value in buffers.items()}
        head = dict(zip(names, values[len(maps) :], strict=True))
        return func.functional_call(matcher, {**head, **copies}, values[: len(maps)])

    values = [*maps, *(value.detach() for value in matcher.parameters())]
    points = [value.clone().requires_grad_() for value in values]
    assert gradcheck(scores, points, check_forward_ad=True)
    # fast_mode: in one random direction and not in each.
    assert gradgradcheck(scores, points, check_fwd_over_rev=True, fast_mode=True)
    every = tuple(range(len(values)))
    assert_alike(func.jacfwd(scores, every)(*values), func.jacrev(scores, every)(*values))


@both_matches
def test_dual_maps_in_training(itself, device):
    """The module as it is: its running statistics are changed, and get no tangent."""
    matcher, probe, gallery = matcher_and_maps(True, device)
    direction = torch.randn_like(probe)

    def scores(maps):
        return matcher(maps) if itself else matcher(maps, gallery)

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(probe, direction)
        got = forward_ad.unpack_dual(scores(dual)).tangent
        assert forward_ad.unpack_dual(matcher.bn.running_mean).tangent is None
    assert int(matcher.bn.num_batches_tracked) == 1
    torch.testing.assert_close(got, difference(scores, probe, direction), rtol=1e-6, atol=1e-6)


def test_statistics_that_a_transform_cannot_change_are_refused(device):
    matcher, probe, gallery = matcher_and_maps(True, device)
    before = [value.clone() for value in matcher.buffers()]
    for transform in (
        lambda: func.jvp(lambda x: matcher(x, gallery), (probe,), (probe,)),
        lambda: func.grad(lambda x: matcher(x, gallery).sum())(probe),
        lambda: func.vmap(lambda x: matcher(x, gallery))(probe[None]),
    ):
        with pytest.raises(RuntimeError, match="got running statistics from outside a transform"):
            transform()
    assert all(map(torch.equal, matcher.buffers(), before))
    func.replace_all_batch_norm_modules_(matcher)
    direction = torch.randn_like(probe)

    def scores(maps):
        return matcher(maps, gallery)

    torch.testing.assert_close(
        func.jvp(scores, (probe,), (direction,))[1],
        difference(scores, probe, direction),
        rtol=1e-6,
        atol=1e-6,
    )
    # The head is torch's, whose sums of a batch may be in another order.
    assert_alike(func.vmap(scores)(probe[None])[0], scores(probe))


def test_compositions_have_tangents_and_vmap(device):
    """class_distances and nearest_matches: no gradient, as they say, but no tangent is lost."""
    matcher, probe, gallery = matcher_and_maps(False, device)
    matcher.float()
    probe, gallery = probe.float(), gallery.float()
    weight, direction = numbers(6, device=device).float(), torch.randn_like(probe)
    for function in (
        lambda x: class_distances(x, matcher, block=2),
        lambda x: nearest_matches(x, gallery, weight, k=2).scores,
        lambda x: nearest_matches(x, None, weight, k=1).scores,
    ):
        got = func.jvp(function, (probe,), (direction,))[1]
        wanted = difference(function, probe, direction, step=1e-3)
        torch.testing.assert_close(got, wanted, rtol=1e-2, atol=1e-2)
        assert torch.equal(func.vmap(function)(probe[None])[0], function(probe))

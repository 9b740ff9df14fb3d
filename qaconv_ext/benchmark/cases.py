"""What is measured: each case is our way and the plain way to the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qaconv_ext.qaconv import QAConv
from qaconv_ext.reference import PlainQAConv

CHANNELS, HEIGHT, WIDTH = 128, 24, 8
PLACES = HEIGHT * WIDTH


@dataclass(frozen=True)
class Case:
    """Two callables that return the same tensors, and the operations they are worth."""

    name: str
    shape: str
    ours: Callable[[], list[Tensor]]
    plain: Callable[[], list[Tensor]]
    operations: float
    """Multiplications and additions of all correlations; a triangle counts as its square."""


def _maps(count: int, device: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, CHANNELS, HEIGHT, WIDTH, generator=generator)
    return nn.functional.normalize(maps, dim=1).to(device)


def _matchers(device: str, *, train: bool) -> tuple[QAConv, PlainQAConv]:
    ours = QAConv(CHANNELS, HEIGHT, WIDTH)
    plain = PlainQAConv(HEIGHT, WIDTH)
    plain.load_state_dict(ours.state_dict())
    return ours.to(device).train(train), plain.to(device).train(train)


def _operations(probes: int, galleries: int) -> float:
    return 2.0 * probes * galleries * PLACES * PLACES * CHANNELS


def _evaluation(probes: int, galleries: int, device: str) -> Case:
    ours, plain = _matchers(device, train=False)
    probe, gallery = _maps(probes, device, 0), _maps(galleries, device, 1)

    def run(matcher: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            return [matcher(probe, gallery)]

    return Case(
        "qaconv_eval",
        f"P={probes} G={galleries}",
        lambda: run(ours),
        lambda: run(plain),
        _operations(probes, galleries),
    )


def _self_match(count: int, device: str) -> Case:
    ours, plain = _matchers(device, train=False)
    maps = _maps(count, device, 2)

    def run_ours() -> list[Tensor]:
        with torch.no_grad():
            return [ours(maps)]

    def run_plain() -> list[Tensor]:
        with torch.no_grad():
            return [plain(maps, maps)]

    return Case("qaconv_eval_self", f"N={count}", run_ours, run_plain, _operations(count, count))


def _training_step(count: int, device: str) -> Case:
    ours, plain = _matchers(device, train=True)
    maps = _maps(count, device, 3)
    factor = torch.randn(count, count, generator=torch.Generator().manual_seed(4)).to(device)

    def run(matcher: nn.Module, gallery_given: bool) -> list[Tensor]:
        features = maps.clone().requires_grad_()
        matcher.zero_grad(set_to_none=True)
        scores = matcher(features, features) if gallery_given else matcher(features)
        (scores * factor).sum().backward()
        assert features.grad is not None
        weight = matcher.get_parameter("fc.weight")
        assert weight.grad is not None
        return [scores.detach(), features.grad, weight.grad]

    return Case(
        "qaconv_train_step",
        f"B={count}",
        lambda: run(ours, False),
        lambda: run(plain, True),
        _operations(count, count),
    )


def cases(device: str, *, quick: bool) -> Iterator[Case]:
    """All cases; ``quick`` takes sizes that a test can afford."""
    few, more = (4, 6) if quick else (32, 64)
    yield _evaluation(few, few, device)
    yield _evaluation(more, more, device)
    yield _self_match(more, device)
    yield _training_step(few, device)

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
    """Callables that return the same tensors, and the operations they are worth."""

    name: str
    shape: str
    ours: Callable[[], list[Tensor]]
    baselines: dict[str, Callable[[], list[Tensor]]]
    operations: float
    """Multiplications and additions of all correlations; a triangle counts as its square."""


#: The ways in plain PyTorch, and how each takes the maxima.
BASELINES = {"max": False, "amax": True}


def _maps(count: int, device: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, CHANNELS, HEIGHT, WIDTH, generator=generator)
    return nn.functional.normalize(maps, dim=1).to(device)


def _case(
    name: str,
    shape: str,
    pairs: int,
    device: str,
    run: Callable[[nn.Module], list[Tensor]],
    *,
    train: bool = False,
) -> Case:
    """The case of running ``run`` with our matcher and with the plain ones."""

    def work(matcher: nn.Module) -> Callable[[], list[Tensor]]:
        placed = matcher.to(device).train(train)
        return lambda: run(placed)

    return Case(
        name,
        shape,
        work(QAConv(CHANNELS, HEIGHT, WIDTH)),
        {baseline: work(_plain(amax=amax)) for baseline, amax in BASELINES.items()},
        2.0 * pairs * PLACES * PLACES * CHANNELS,
    )


def _plain(*, amax: bool) -> PlainQAConv:
    matcher = PlainQAConv(HEIGHT, WIDTH, amax=amax)
    matcher.load_state_dict(QAConv(CHANNELS, HEIGHT, WIDTH).state_dict())
    return matcher


def _evaluation(probes: int, galleries: int, device: str) -> Case:
    probe, gallery = _maps(probes, device, 0), _maps(galleries, device, 1)

    def run(matcher: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            return [matcher(probe, gallery)]

    return _case("qaconv_eval", f"P={probes} G={galleries}", probes * galleries, device, run)


def _match_with_itself(matcher: nn.Module, maps: Tensor) -> Tensor:
    scores: Tensor = matcher(maps) if isinstance(matcher, QAConv) else matcher(maps, maps)
    return scores


def _self_match(count: int, device: str) -> Case:
    maps = _maps(count, device, 2)

    def run(matcher: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            return [_match_with_itself(matcher, maps)]

    return _case("qaconv_eval_self", f"N={count}", count * count, device, run)


def _training_step(count: int, device: str) -> Case:
    maps = _maps(count, device, 3)
    factor = torch.randn(count, count, generator=torch.Generator().manual_seed(4)).to(device)

    def run(matcher: nn.Module) -> list[Tensor]:
        features = maps.clone().requires_grad_()
        scores = _match_with_itself(matcher, features)
        wanted = [features, matcher.get_parameter("fc.weight")]
        return [scores.detach(), *torch.autograd.grad((scores * factor).sum(), wanted)]

    return _case("qaconv_train_step", f"B={count}", count * count, device, run, train=True)


def cases(device: str, *, quick: bool) -> Iterator[Case]:
    """All cases; ``quick`` takes sizes that a test can afford."""
    few, more = (4, 6) if quick else (32, 64)
    yield _evaluation(few, few, device)
    yield _evaluation(more, more, device)
    yield _self_match(more, device)
    yield _training_step(few, device)
    yield _training_step(more, device)

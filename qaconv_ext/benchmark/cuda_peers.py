"""The packages that compute one direction, on a GPU: alone, and beside ours in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from qaconv_ext.benchmark.case import LARGEST_ERROR, Baseline, Case
from qaconv_ext.benchmark.cases import PAPER, TINY, Size, unit_maps
from qaconv_ext.benchmark.ceilings import Ceilings
from qaconv_ext.benchmark.cuda_clock import Bursts, copies
from qaconv_ext.benchmark.cuda_shares import correlations, device_maps
from qaconv_ext.benchmark.figures import Figure, Figures, prove, some, taken
from qaconv_ext.benchmark.measure import Work
from qaconv_ext.benchmark.peers import Sums, both_directions_on_cuda, one_direction_on_cuda
from qaconv_ext.benchmark.tolerances import (
    FULL,
    GRADIENT_ERROR,
    HALF,
    HALF_ERROR,
    HALF_GRADIENT_ERROR,
    PEER_ERROR,
)
from qaconv_ext.functional import match_scores
from qaconv_ext.qaconv import QAConv


def locations_first(maps: Tensor) -> Tensor:
    """``[N, locations, C]``, as the packages want them: not a part of what is timed."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def one_direction_figures(ceilings: Ceilings, bursts: Bursts, *, quick: bool) -> Iterator[Figure]:
    """One call of each package, ``Σ_s max_r``, as a share of the card's matrix product.

    It makes the same multiplications as both directions do.
    """
    size = TINY if quick else PAPER
    counts = (3, 5) if quick else (256, 1024)
    packages, missing = one_direction_on_cuda(train=False)
    shape = f"{counts[0]} x {counts[1]}, C={size.channels} hw={size.locations}"
    for name, why in missing.items():
        yield Figure(f"{name}, one direction", shape, why_not=why)
    for name, sums in packages.items():

        def take(blank: Figure, sums: Sums = sums) -> Figure:
            maps = [device_maps(count, size, HALF, seed) for seed, count in enumerate(counts)]
            inputs = [locations_first(tensor) for tensor in maps]
            rows, columns = (some(count) for count in counts)
            truth = correlations(maps[0][rows], maps[1][columns]).amax(dim=2).sum(dim=-1)
            prove([sums(*inputs)[rows][:, columns]], [truth], PEER_ERROR)
            operations = size.operations * counts[0] * counts[1]
            return Figures(bursts, ceilings).share(
                blank, operations, sums, copies(*inputs), ours=False
            )

        # Its wrong result says nothing of ours.
        yield replace(taken(Figure(f"{name}, one direction", shape), take), wrong=False)


def two_calls(
    matcher: QAConv, probe: Tensor, gallery: Tensor
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """The scores of a matcher that weighs all locations alike, as a new one does.

    Two calls and the head, which is one affine map then; and why packages are missing.
    """
    weight, bias = (float(part.detach()[0]) for part in matcher.folded())
    sums, missing = both_directions_on_cuda(train=False)
    maps = locations_first(probe), locations_first(gallery)

    def scores(both: Sums) -> Work:
        return lambda: [both(*maps) * weight + bias]

    baselines = {
        f"{name}, two calls": Baseline(scores(both), PEER_ERROR, kind="package")
        for name, both in sums.items()
    }
    return baselines, missing


def score_gradients(count: int, size: Size) -> Case:
    """Scores with fixed weights and the gradients to both sets of maps: what the packages have."""
    probe, gallery = (unit_maps(count, "cuda", seed, size).to(HALF) for seed in (0, 1))
    factor = torch.randn(count, count, generator=torch.Generator().manual_seed(4)).cuda()
    ones = torch.ones(size.locations, device="cuda")

    def step(scores: Sums, *maps: Tensor) -> list[Tensor]:
        leaves = [tensor.detach().requires_grad_() for tensor in maps]
        result = scores(*leaves)
        return [result.detach(), *torch.autograd.grad((result * factor).sum(), leaves)]

    def formula(probe: Tensor, gallery: Tensor) -> Tensor:
        scores = torch.einsum("pcs,gcr->pgrs", probe.flatten(2), gallery.flatten(2))
        return scores.max(dim=2).values.sum(dim=-1) + scores.max(dim=3).values.sum(dim=-1)

    def plainly(dtype: torch.dtype) -> Work:
        return lambda: step(formula, probe.to(dtype), gallery.to(dtype))

    def by_package(both: Sums) -> Work:
        maps = locations_first(probe), locations_first(gallery)

        def run() -> list[Tensor]:
            scores, *gradients = step(both, *maps)
            return [scores, *(g.transpose(1, 2).reshape(probe.shape) for g in gradients)]

        return run

    sums, missing = both_directions_on_cuda(train=True)
    baselines = {
        "max, float32": Baseline(plainly(FULL), LARGEST_ERROR, GRADIENT_ERROR),
        "max, float16": Baseline(plainly(HALF), HALF_ERROR, HALF_GRADIENT_ERROR),
    } | {
        f"{name}, two calls": Baseline(by_package(both), PEER_ERROR, GRADIENT_ERROR, "package")
        for name, both in sums.items()
    }
    pairs = size.operations * count * count
    return Case(
        "score_gradients float16",
        f"P={count} G={count}",
        lambda: step(lambda a, b: match_scores(a, b, ones), probe, gallery),
        baselines,
        pairs,
        pairs,
        missing,
        gradients=2,
    )

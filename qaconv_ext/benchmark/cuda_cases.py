"""What is measured on a GPU: float16 and float32 maps, forward, gradients, nearest classes.

The truth of every case is plain PyTorch in float32 on the same (already rounded) maps, so ours is
held to it as on the CPU. Plain PyTorch is also measured as people run it, all in float16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from qaconv_ext.benchmark.case import LARGEST_ERROR, Baseline, Case, pairs_of_triangle
from qaconv_ext.benchmark.cases import (
    PAPER,
    Run,
    Size,
    compiled,
    evaluation,
    nearest_by_matrix,
    nearest_error,
    nearest_streamed,
    ours,
    plain,
    self_match,
    training_step,
    unit_maps,
    work,
)
from qaconv_ext.benchmark.cuda_meter import CudaClock, is_emulated
from qaconv_ext.benchmark.limits import Limit, cold_start
from qaconv_ext.benchmark.measure import Work, time_in_turn
from qaconv_ext.benchmark.peers import both_ways_on_cuda
from qaconv_ext.qaconv import QAConv, match_scores, pairwise_distance

#: Maps small enough for a test, and for an emulator.
TINY = Size(16, 4, 3)

#: Correlations, maxima, norms and weights of plain float16, each rounded to eleven bits.
HALF_ERROR = 2e-2
#: Sums that differ in the last bits of float32 give another of two nearly equal places: of some
#: 10^4 maxima one. Tensor cores cut off where others round.
GRADIENT_ERROR = 2e-2
#: Rounded to float16, some maxima in a hundred have another place; the norms work on those.
HALF_GRADIENT_ERROR = 0.5
#: Operands of TF32 have eleven bits, its sums more.
TF32_ERROR = 5e-3
#: The packages compute in float16 with sums in float32, whatever they are given.
PEER_ERROR = 1e-3

HALF, FULL = torch.float16, torch.float32


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _with_tf32(run: Work) -> Work:
    def run_with_tf32() -> list[Tensor]:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            return run()
        finally:
            torch.set_float32_matmul_precision(before)

    return run_with_tf32


class _Plain:
    """The plain ways of a case, the float32 one on the same maps first: it is the truth."""

    def __init__(self, size: Size, dtype: torch.dtype, run: Callable[[torch.dtype], Run]) -> None:
        self.size, self.dtype, self.run = size, dtype, run
        self.ways: dict[str, Baseline] = {}
        self.not_timed: dict[str, str] = {}

    def eager(self, *, train: bool, tf32: bool) -> _Plain:
        """By max and amax: in float32, and in the maps' own type; without a gradient in TF32."""
        for dtype in dict.fromkeys((FULL, self.dtype)):
            for form in ("max", "amax"):
                # amax shares a gradient among equals, which float16 makes many of.
                if not (train and form == "amax" and dtype == HALF):
                    self._add(f"{form}, {_name(dtype)}", dtype, self._matcher(form, dtype), train)
        if tf32:
            way = _with_tf32(work(self.run(FULL), self._matcher("amax", FULL), "cuda"))
            self.ways["amax, TF32"] = Baseline(way, TF32_ERROR)
        return self

    def by_compiler(self, *forms: str, train: bool, mode: str | None = None) -> _Plain:
        """Through torch.compile, in the maps' own type."""
        for form in forms:
            name = f"{form}, {_name(self.dtype)}, {mode or 'compiled'}"
            if is_emulated():
                self.not_timed[name] = "torch.compile makes kernels that no emulator runs"
                continue
            matcher = self._matcher(form, self.dtype)
            self._add(name, self.dtype, compiled(matcher, mode=mode), train)
        return self

    def _matcher(self, form: str, dtype: torch.dtype) -> nn.Module:
        return plain(self.size, amax=form == "amax").to(dtype)

    def _add(self, name: str, dtype: torch.dtype, matcher: nn.Module, train: bool) -> None:
        way = work(self.run(dtype), matcher, "cuda", train=train)
        half = dtype == HALF
        self.ways[name] = Baseline(
            way,
            HALF_ERROR if half else LARGEST_ERROR,
            HALF_GRADIENT_ERROR if half else GRADIENT_ERROR,
        )


def _places_first(maps: Tensor) -> Tensor:
    """``[N, places, C]``, as the packages want them: not a part of what is timed."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def _evaluation(count: int, size: Size, dtype: torch.dtype, *, modes: bool) -> Case:
    probe, gallery = (unit_maps(count, "cuda", seed, size).to(dtype) for seed in (0, 1))
    ways = _Plain(size, dtype, lambda other: evaluation(probe.to(other), gallery.to(other)))
    ways.eager(train=False, tf32=dtype == FULL).by_compiler("max", "amax", train=False)
    if dtype == HALF:
        _add_peers(ways, ours(size), probe, gallery)
    if modes:  # the strongest form and the slowest to make
        ways.by_compiler("amax", train=False, mode="max-autotune-no-cudagraphs")
    pairs = size.operations * count * count
    return Case(
        f"qaconv_eval {_name(dtype)}",
        f"P={count} G={count}",
        work(evaluation(probe, gallery), ours(size), "cuda"),
        ways.ways,
        pairs,
        pairs,
        ways.not_timed,
    )


def _add_peers(ways: _Plain, matcher: QAConv, probe: Tensor, gallery: Tensor) -> None:
    """Two calls and the head: a new matcher weighs all places alike, so it is one affine map."""
    weight, bias = (float(part.detach()[0]) for part in matcher.folded())
    sums, missing = both_ways_on_cuda(train=False)
    maps = _places_first(probe), _places_first(gallery)

    def scores(both: Callable[[Tensor, Tensor], Tensor]) -> Work:
        return lambda: [both(*maps) * weight + bias]

    for name, both in sums.items():
        ways.ways[f"{name}, two calls"] = Baseline(scores(both), PEER_ERROR)
    ways.not_timed |= missing


def _self_match(count: int, size: Size, dtype: torch.dtype) -> Case:
    maps = unit_maps(count, "cuda", 2, size).to(dtype)
    ways = _Plain(size, dtype, lambda other: self_match(maps.to(other)))
    ways.eager(train=False, tf32=False)
    return Case(
        f"qaconv_eval_self {_name(dtype)}",
        f"N={count}",
        work(self_match(maps), ours(size), "cuda"),
        ways.ways,
        size.operations * count * count,
        size.operations * pairs_of_triangle(count),
        ways.not_timed,
    )


def _training_step(count: int, size: Size, dtype: torch.dtype) -> Case:
    maps = unit_maps(count, "cuda", 3, size).to(dtype)
    ways = _Plain(size, dtype, lambda other: training_step(maps.to(other)))
    ways.eager(train=True, tf32=False).by_compiler("max", train=True)
    return Case(
        f"qaconv_train_step {_name(dtype)}",
        f"B={count}",
        work(training_step(maps), ours(size), "cuda", train=True),
        ways.ways,
        size.operations * count * count,
        size.operations * pairs_of_triangle(count),
        ways.not_timed,
        gradients=2,
    )


def _score_gradients(count: int, size: Size) -> Case:
    """Scores with fixed weights and the gradients to both sets of maps: what the packages have."""
    probe, gallery = (unit_maps(count, "cuda", seed, size).to(HALF) for seed in (0, 1))
    factor = torch.randn(count, count, generator=torch.Generator().manual_seed(4)).cuda()
    ones = torch.ones(size.places, device="cuda")

    def step(scores: Callable[[Tensor, Tensor], Tensor], *maps: Tensor) -> list[Tensor]:
        leaves = [tensor.detach().requires_grad_() for tensor in maps]
        result = scores(*leaves)
        return [result.detach(), *torch.autograd.grad((result * factor).sum(), leaves)]

    def formula(probe: Tensor, gallery: Tensor) -> Tensor:
        scores = torch.einsum("pcs,gcr->pgrs", probe.flatten(2), gallery.flatten(2))
        return scores.max(dim=2).values.sum(dim=-1) + scores.max(dim=3).values.sum(dim=-1)

    def plainly(dtype: torch.dtype) -> Work:
        return lambda: step(formula, probe.to(dtype), gallery.to(dtype))

    def by_package(both: Callable[[Tensor, Tensor], Tensor]) -> Work:
        maps = _places_first(probe), _places_first(gallery)

        def run() -> list[Tensor]:
            scores, *gradients = step(both, *maps)
            return [scores, *(g.transpose(1, 2).reshape(probe.shape) for g in gradients)]

        return run

    sums, missing = both_ways_on_cuda(train=True)
    ways = {
        "max, float32": Baseline(plainly(FULL), LARGEST_ERROR, GRADIENT_ERROR),
        "max, float16": Baseline(plainly(HALF), HALF_ERROR, HALF_GRADIENT_ERROR),
    } | {
        f"{name}, two calls": Baseline(by_package(both), PEER_ERROR, GRADIENT_ERROR)
        for name, both in sums.items()
    }
    pairs = size.operations * count * count
    return Case(
        "score_gradients float16",
        f"P={count} G={count}",
        lambda: step(lambda a, b: match_scores(a, b, ones), probe, gallery),
        ways,
        pairs,
        pairs,
        missing,
        gradients=2,
    )


def _nearest_classes(count: int, neighbours: int, block: int, size: Size) -> Case:
    maps = unit_maps(count, "cuda", 5, size).to(HALF)

    def by_matrix(dtype: torch.dtype) -> Work:
        matcher = plain(size, amax=False).to("cuda", dtype).eval()
        return nearest_by_matrix(maps.to(dtype), matcher, neighbours, block)

    return Case(
        "nearest_classes float16",
        f"N={count} k={neighbours}",
        nearest_streamed(maps, ours(size).cuda().eval(), neighbours),
        {
            f"max, float32, blocks of {block}, topk": Baseline(by_matrix(FULL)),
            f"max, float16, blocks of {block}, topk": Baseline(by_matrix(HALF), HALF_ERROR),
        },
        size.operations * count * count,
        size.operations * pairs_of_triangle(count),
        error=nearest_error,
    )


def _count_that_fits(wanted: int, size: Size) -> int:
    """So many maps, or fewer where their correlations in float32 and copies of them do not fit."""
    free, _ = torch.cuda.mem_get_info()
    while wanted > 32 and 3 * 4 * (wanted * size.places) ** 2 > free:
        wanted //= 2
    return wanted


def cuda_cases(*, quick: bool) -> Iterator[Case]:
    """All cases of the GPU; ``quick`` takes sizes that a test can afford, under an emulator too."""
    size = TINY if quick else PAPER
    # Two maps have two scores, which a batch norm makes +1 and -1: no gradient but rounding.
    few, many = (3, 4) if quick else (64, _count_that_fits(256, size))
    for dtype in (HALF, FULL):
        yield _evaluation(few, size, dtype, modes=False)
        yield _training_step(few, size, dtype)
    yield _score_gradients(few, size)
    classes, neighbours = (5, 2) if quick else (1024, 31)
    yield _nearest_classes(classes, neighbours, 3 if quick else many, size)
    for dtype in (HALF, FULL):
        yield _evaluation(many, size, dtype, modes=dtype == HALF)
        yield _self_match(many, size, dtype)


def cuda_limits(clock: CudaClock, *, quick: bool, budget: float) -> Iterator[Limit]:
    """Ratios of two of our own calls."""
    size = TINY if quick else PAPER
    count = 3 if quick else 128
    maps = unit_maps(count, "cuda", 0, size).flatten(2).to(HALF)
    weight = torch.ones(size.places, device="cuda")

    def ratio(ours: Callable[[], object], other: Callable[[], object], to: str, of: str) -> Limit:
        return Limit(of, to, time_in_turn(ours, other, clock, budget=budget)[2])

    yield ratio(
        lambda: pairwise_distance(maps, weight),
        lambda: match_scores(maps, maps, weight),
        "match_scores of the same matrix",
        f"pairwise_distance float16, N={count}",
    )
    maxima, index = torch.ops.qaconv.correlation_max_self(maps)
    gradient = torch.randn_like(maxima)
    yield ratio(
        lambda: torch.ops.qaconv.correlation_max_self(maps),
        lambda: torch.ops.qaconv.correlation_max_self_backward(gradient, maps, index),
        "its forward, time",
        f"backward of a self match float16, B={count}",
    )
    if not quick:
        yield cold_start("cuda")

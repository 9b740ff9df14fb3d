"""What is measured on a GPU: float16 and float32 maps, forward, gradients, nearest classes.

The truth of every case is plain PyTorch in float32 on the same (already rounded) maps, so ours is
held to it as on the CPU. Plain PyTorch is also measured as people run it, all in float16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from qaconv_ext.benchmark.case import LARGEST_ERROR, Baseline, Case, pairs_of_triangle
from qaconv_ext.benchmark.cases import (
    PAPER,
    TINY,
    Run,
    Size,
    compiled,
    evaluation,
    match_with_itself,
    nearest_by_matrix,
    nearest_error,
    nearest_streamed,
    ours,
    plain,
    self_match,
    unit_maps,
    work,
)
from qaconv_ext.benchmark.cuda_meter import is_emulated
from qaconv_ext.benchmark.cuda_peers import score_gradients, two_calls
from qaconv_ext.benchmark.measure import Work
from qaconv_ext.benchmark.tolerances import (
    FULL,
    GRADIENT_ERROR,
    HALF,
    HALF_ERROR,
    HALF_GRADIENT_ERROR,
    TF32_ERROR,
    name_of,
)
from qaconv_ext.losses import HardTripletLoss


def _with_tf32(run: Work) -> Work:
    def run_with_tf32() -> list[Tensor]:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            return run()
        finally:
            torch.set_float32_matmul_precision(before)

    return run_with_tf32


class _Baselines:
    """The baselines of a case, the plain float32 one on the same maps first: it is the truth."""

    def __init__(self, size: Size, dtype: torch.dtype, run: Callable[[torch.dtype], Run]) -> None:
        self.size, self.dtype, self.run = size, dtype, run
        self.timed: dict[str, Baseline] = {}
        self.not_timed: dict[str, str] = {}

    def truth(self, *, train: bool) -> _Baselines:
        """The float32 one alone."""
        self._add("max, float32", FULL, self._matcher("max", FULL), train)
        return self

    def eager(self, *, train: bool, tf32: bool) -> _Baselines:
        """By max and amax: in float32, and in the maps' own type; without a gradient in TF32."""
        self.truth(train=train)
        for dtype in dict.fromkeys((FULL, self.dtype)):
            for form in ("max", "amax"):
                name = f"{form}, {name_of(dtype)}"
                # amax shares a gradient among equals, which float16 makes many of.
                if name not in self.timed and not (train and form == "amax" and dtype == HALF):
                    self._add(name, dtype, self._matcher(form, dtype), train)
        if tf32:
            run = _with_tf32(work(self.run(FULL), self._matcher("amax", FULL), "cuda"))
            self.timed["amax, TF32"] = Baseline(run, TF32_ERROR)
        return self

    def by_compiler(self, *forms: str, train: bool, mode: str | None = None) -> _Baselines:
        """Through torch.compile, in the maps' own type."""
        for form in forms:
            name = f"{form}, {name_of(self.dtype)}, {mode or 'compiled'}"
            if is_emulated():
                self.not_timed[name] = "torch.compile makes kernels that no emulator runs"
                continue
            matcher = self._matcher(form, self.dtype)
            self._add(name, self.dtype, compiled(matcher, mode=mode), train, "compiled")
        return self

    def case(
        self,
        name: str,
        run: Run,
        counts: tuple[int, ...],
        *,
        train: bool = False,
        target: str | None = None,
    ) -> Case:
        """``run`` by ours and by these; ``counts`` of two sets, or of one with itself."""
        alone = len(counts) == 1
        letters = "PG" if not alone else "B" if train else "N"
        pairs = pairs_of_triangle(*counts) if alone else math.prod(counts)
        return Case(
            f"{name} {name_of(self.dtype)}",
            " ".join(f"{letter}={count}" for letter, count in zip(letters, counts, strict=True)),
            work(run, ours(self.size), "cuda", train=train),
            self.timed,
            self.size.operations * counts[0] * counts[-1],
            self.size.operations * pairs,
            self.not_timed,
            gradients=2 if train else 0,
            target=target,
        )

    def _matcher(self, form: str, dtype: torch.dtype) -> nn.Module:
        return plain(self.size, amax=form == "amax").to(dtype)

    def _add(
        self, name: str, dtype: torch.dtype, matcher: nn.Module, train: bool, kind: str = "eager"
    ) -> None:
        half = dtype == HALF
        self.timed[name] = Baseline(
            work(self.run(dtype), matcher, "cuda", train=train),
            HALF_ERROR if half else LARGEST_ERROR,
            HALF_GRADIENT_ERROR if half else GRADIENT_ERROR,
            kind,
        )


def _evaluation(count: int, size: Size, dtype: torch.dtype, target: str | None = None) -> Case:
    probe, gallery = (unit_maps(count, "cuda", seed, size).to(dtype) for seed in (0, 1))
    baselines = _Baselines(
        size, dtype, lambda other: evaluation(probe.to(other), gallery.to(other))
    )
    baselines.eager(train=False, tf32=dtype == FULL)
    if dtype == HALF:
        packages, missing = two_calls(ours(size), probe, gallery)
        baselines.timed |= packages
        baselines.not_timed |= missing
    return baselines.case("qaconv_eval", evaluation(probe, gallery), (count, count), target=target)


def _self_match(count: int, size: Size, dtype: torch.dtype) -> Case:
    maps = unit_maps(count, "cuda", 2, size).to(dtype)
    baselines = _Baselines(size, dtype, lambda other: self_match(maps.to(other)))
    baselines.eager(train=False, tf32=False)
    return baselines.case("qaconv_eval_self", self_match(maps), (count,))


def _step_of_loss(maps: Tensor) -> Run:
    """A training step of matcher and loss: scores, loss, gradients to maps and weights."""
    labels = torch.arange(len(maps), device=maps.device) // 2  # two of each, as graph sampling has
    loss = HardTripletLoss()

    def run(matcher: nn.Module) -> list[Tensor]:
        features = maps.clone().requires_grad_()
        scores = match_with_itself(matcher, features)
        value = loss(scores, labels)
        wanted = [features, matcher.get_parameter("fc.weight")]
        return [scores.detach(), value.detach(), *torch.autograd.grad(value, wanted)]

    return run


def _training_step(count: int, size: Size, dtype: torch.dtype, target: str | None = None) -> Case:
    maps = unit_maps(count, "cuda", 3, size).to(dtype)
    baselines = _Baselines(size, dtype, lambda other: _step_of_loss(maps.to(other)))
    baselines.eager(train=True, tf32=False)
    return baselines.case(
        "qaconv_train_step", _step_of_loss(maps), (count,), train=True, target=target
    )


def _compiled_evaluation(
    count: int, size: Size, dtype: torch.dtype, *, mode: str | None = None, target: str | None
) -> Case:
    """Apart from the eager baselines and late, for compiling takes longer than all of them."""
    probe, gallery = (unit_maps(count, "cuda", seed, size).to(dtype) for seed in (0, 1))
    baselines = _Baselines(
        size, dtype, lambda other: evaluation(probe.to(other), gallery.to(other))
    )
    baselines.truth(train=False).by_compiler("amax", train=False, mode=mode)
    run = evaluation(probe, gallery)
    return baselines.case("qaconv_eval", run, (count, count), target=target)


def _compiled_step(count: int, size: Size, dtype: torch.dtype) -> Case:
    maps = unit_maps(count, "cuda", 3, size).to(dtype)
    baselines = _Baselines(size, dtype, lambda other: _step_of_loss(maps.to(other)))
    baselines.truth(train=True).by_compiler("max", train=True)
    return baselines.case("qaconv_train_step", _step_of_loss(maps), (count,), train=True)


def _nearest_classes(count: int, neighbors: int, block: int, size: Size) -> Case:
    maps = unit_maps(count, "cuda", 5, size).to(HALF)

    def by_matrix(dtype: torch.dtype) -> Work:
        matcher = plain(size, amax=False).to("cuda", dtype).eval()
        return nearest_by_matrix(maps.to(dtype), matcher, neighbors, block)

    return Case(
        "nearest_classes float16",
        f"N={count} k={neighbors}",
        nearest_streamed(maps, ours(size).cuda().eval(), neighbors),
        {
            f"max, float32, blocks of {block}, topk": Baseline(by_matrix(FULL)),
            f"max, float16, blocks of {block}, topk": Baseline(by_matrix(HALF), HALF_ERROR),
        },
        size.operations * count * count,
        size.operations * pairs_of_triangle(count),
        error=nearest_error,
    )


def _count_that_fits(wanted: int, size: Size, copies: int) -> int:
    """So many maps, or fewer where ``copies`` of their correlations in float32 do not fit."""
    torch.cuda.empty_cache()  # what earlier work left is free as well
    free, _ = torch.cuda.mem_get_info()
    while wanted > 32 and copies * 4 * (wanted * size.locations) ** 2 > free:
        wanted //= 2
    return wanted


def cuda_cases(*, quick: bool) -> Iterator[Case]:
    """All cases of the GPU, the most telling first; ``quick``: of sizes that a test can afford."""
    size = TINY if quick else PAPER
    # Two maps have two scores, which a batch norm makes +1 and -1: no gradient but rounding.
    few, many = (3, 4) if quick else (64, _count_that_fits(256, size, copies=3))
    batch = many if quick else _count_that_fits(256, size, copies=6)  # with their gradients
    yield _evaluation(many, size, HALF, "eval")
    yield _training_step(few, size, HALF, "step few")
    yield _training_step(batch, size, HALF, "step many")
    yield _evaluation(few, size, HALF)
    yield _evaluation(many, size, FULL)
    yield _training_step(few, size, FULL)
    yield score_gradients(few, size)
    for dtype in (HALF, FULL):
        yield _self_match(many, size, dtype)
    classes, neighbors = (5, 2) if quick else (1024, 31)
    yield _nearest_classes(classes, neighbors, 3 if quick else many, size)
    yield _compiled_evaluation(many, size, HALF, target="eval compiled")
    if quick:
        return  # one shows that compiling works
    yield _compiled_step(batch, size, HALF)
    yield _compiled_evaluation(many, size, FULL, target=None)
    # The strongest form, and the slowest to make.
    yield _compiled_evaluation(many, size, HALF, mode="max-autotune-no-cudagraphs", target=None)

"""What is measured on the CPU, and the parts that the cases of a GPU share with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qaconv_ext.benchmark.case import Baseline, Case, pairs_of_triangle
from qaconv_ext.benchmark.measure import Work, available_bytes, largest_error
from qaconv_ext.benchmark.peers import one_direction_on_cpu
from qaconv_ext.functional import match_scores
from qaconv_ext.qaconv import QAConv
from qaconv_ext.reference import PlainQAConv


class Size(NamedTuple):
    """The size of a feature map."""

    channels: int
    height: int
    width: int

    @property
    def locations(self) -> int:
        """Locations of a map."""
        return self.height * self.width

    @property
    def operations(self) -> float:
        """Multiplications and additions of one pair's correlation."""
        return 2.0 * self.locations**2 * self.channels


#: That of the paper's network, images of 384 × 128.
PAPER = Size(128, 24, 8)
#: Maps small enough for a test under an emulator.
TINY = Size(16, 4, 3)

#: Baselines in plain PyTorch, and how each takes the maxima.
BASELINES = {"max": False, "amax": True}

#: Runs a matcher, ours or a plain one.
Run = Callable[[nn.Module], list[Tensor]]


def unit_maps(count: int, device: str, seed: int, size: Size = PAPER) -> Tensor:
    """Maps ``[count, C, h, w]`` float32 whose locations are unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, *size, generator=generator)
    return nn.functional.normalize(maps, dim=1).to(device)


def ours(size: Size = PAPER) -> QAConv:
    """The matcher that is measured."""
    return QAConv(*size)


def plain(size: Size = PAPER, *, amax: bool) -> PlainQAConv:
    """The matcher that it is measured against."""
    matcher = PlainQAConv(size.height, size.width, amax=amax)
    matcher.load_state_dict(ours(size).state_dict())
    return matcher


def work(run: Run, matcher: nn.Module, device: str, *, train: bool = False) -> Work:
    """``run`` with the matcher, placed and in its mode."""
    placed = matcher.to(device).train(train)
    return lambda: run(placed)


def compiled(matcher: nn.Module, *, mode: str | None = None) -> nn.Module:
    """The matcher through torch.compile, at its first call, for that call's shapes."""
    matcher.compile(dynamic=False, mode=mode)
    return matcher


def match_with_itself(matcher: nn.Module, maps: Tensor) -> Tensor:
    """Scores ``[N, N]``; only ours knows that it gets the same maps twice."""
    scores: Tensor = matcher(maps) if isinstance(matcher, QAConv) else matcher(maps, maps)
    return scores


def evaluation(probe: Tensor, gallery: Tensor) -> Run:
    """Scores of two sets of maps."""

    @torch.no_grad()
    def run(matcher: nn.Module) -> list[Tensor]:
        return [matcher(probe, gallery)]

    return run


def self_match(maps: Tensor) -> Run:
    """Scores of a set with itself."""

    @torch.no_grad()
    def run(matcher: nn.Module) -> list[Tensor]:
        return [match_with_itself(matcher, maps)]

    return run


def training_step(maps: Tensor) -> Run:
    """Scores of a batch with itself, and the gradients to its maps and to the head's weights."""
    count = len(maps)
    factor = torch.randn(count, count, generator=torch.Generator().manual_seed(4))
    factor = factor.to(maps.device)

    def run(matcher: nn.Module) -> list[Tensor]:
        features = maps.clone().requires_grad_()
        scores = match_with_itself(matcher, features)
        wanted = [features, matcher.get_parameter("fc.weight")]
        return [scores.detach(), *torch.autograd.grad((scores * factor).sum(), wanted)]

    return run


def _case(
    name: str,
    shape: str,
    pairs: tuple[int, int],
    run: Run,
    *,
    train: bool = False,
    compile: tuple[str, ...] = (),
) -> Case:
    """``run`` on the CPU, ours against the plain ones; ``pairs``: of the square, and needed."""
    matchers: dict[str, nn.Module] = {form: plain(amax=amax) for form, amax in BASELINES.items()}
    matchers |= {f"{form}, compiled": compiled(plain(amax=BASELINES[form])) for form in compile}
    return Case(
        name,
        shape,
        work(run, ours(), "cpu", train=train),
        {n: Baseline(work(run, matcher, "cpu", train=train)) for n, matcher in matchers.items()},
        PAPER.operations * pairs[0],
        PAPER.operations * pairs[1],
    )


def nearest_error(result: list[Tensor], truth: list[Tensor]) -> float:
    """Of `nearest_by_matrix`: are the scores the best ones, and are they those of the named?

    Of nearly equal scores rounding decides the order, so the numbers alone may differ.
    """
    named = truth[2].gather(1, result[1])
    return max(largest_error([result[0]], [truth[0]]), largest_error([named], [truth[0]]))


def nearest_by_matrix(maps: Tensor, matcher: nn.Module, neighbors: int, block: int) -> Work:
    """Scores and numbers of the best others of each, by the whole matrix, which comes third."""

    @torch.no_grad()
    def work() -> list[Tensor]:
        blocks = torch.split(maps, block)
        scores = torch.cat([torch.cat([matcher(a, b) for b in blocks], dim=1) for a in blocks])
        scores.fill_diagonal_(-torch.inf)
        values, index = scores.topk(neighbors, dim=1)
        return [values, index, scores]

    return work


def nearest_streamed(maps: Tensor, matcher: QAConv, neighbors: int) -> Work:
    """The same by ours, without the matrix."""
    return lambda: list(matcher.nearest_matches(maps, k=neighbors))


def nearest_classes(count: int, neighbors: int, block: int) -> Case:
    """The nearest classes of each, against the whole matrix in blocks, and topk of it."""
    maps = unit_maps(count, "cpu", 5)
    by_matrix = nearest_by_matrix(maps, plain(amax=False).eval(), neighbors, block)
    return Case(
        "nearest_classes",
        f"N={count} k={neighbors}",
        nearest_streamed(maps, ours().eval(), neighbors),
        {f"max, blocks of {block}, topk": Baseline(by_matrix)},
        PAPER.operations * count * count,
        PAPER.operations * pairs_of_triangle(count),
        error=nearest_error,
    )


def _block_that_fits(count: int) -> int:
    """256 maps, as the published code has it, or fewer where the memory is not there."""
    block, available = 256, available_bytes()
    # The correlations of a block, and room for its copies by parts.
    while (
        available is not None
        and block > 32
        and 1.2 * 4 * (block * PAPER.locations) ** 2 > available
    ):
        block //= 2
    return min(block, count)


def _one_direction(count: int) -> Case:
    """One direction of the scores, which is all that the packages compute.

    Ours has no such form: it gives the other direction a weight of zero and computes both maxima.
    """
    maps = unit_maps(count, "cpu", 6).flatten(2)
    query = maps[:1]
    weight, nothing = torch.ones(PAPER.locations), torch.zeros(PAPER.locations)

    def formula() -> list[Tensor]:
        scores = torch.einsum("pcs,gcr->pgrs", query, maps)
        return [scores.amax(dim=2).sum(dim=-1)]

    packages, not_timed = one_direction_on_cpu(query, maps)
    return Case(
        "one_direction",
        f"P=1 G={count}",
        lambda: [match_scores(query, maps, weight, gallery_weight=nothing)],
        {"amax": Baseline(formula)} | {name: Baseline(sums) for name, sums in packages.items()},
        PAPER.operations * count,
        PAPER.operations * count,
        not_timed,
    )


def cases(*, quick: bool) -> Iterator[Case]:
    """All cases of the CPU; ``quick`` takes sizes that a test can afford."""
    few, more = (4, 6) if quick else (32, 64)
    forms = ("amax",) if quick else tuple(BASELINES)
    for count in (few, more):
        yield _case(
            "qaconv_eval",
            f"P={count} G={count}",
            (count * count, count * count),
            evaluation(unit_maps(count, "cpu", 0), unit_maps(count, "cpu", 1)),
            compile=forms if count == few else (),
        )
    yield _case(
        "qaconv_eval_self",
        f"N={more}",
        (more * more, pairs_of_triangle(more)),
        self_match(unit_maps(more, "cpu", 2)),
    )
    for count in (few, more):
        yield _case(
            "qaconv_train_step",
            f"B={count}",
            (count * count, pairs_of_triangle(count)),
            training_step(unit_maps(count, "cpu", 3)),
            train=True,
            compile=() if quick or count == more else forms,
        )
    classes, neighbors = (12, 3) if quick else (512, 31)
    block = 8 if quick else _block_that_fits(classes)
    yield nearest_classes(classes, neighbors, block)
    yield _one_direction(16 if quick else 256)

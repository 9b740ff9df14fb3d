"""The kernels by themselves on a GPU: time, share of the card's matrix product, and what is wanted.

Times are those of a call from Python, from a cold second-level cache (`CudaClock` empties it before
every run, so that inputs which would fit in it are read from memory as a user's are), launches
included. Shares are of the useful operations: both directions of every pair, a self match counting
as its whole square; 100 % is the card's own float16 matrix product of 8,192 x 8,192 in the same
process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qaconv_ext import backend
from qaconv_ext.benchmark.cases import PAPER, Size, unit_maps
from qaconv_ext.benchmark.cuda_meter import CudaClock, is_emulated
from qaconv_ext.benchmark.measure import Spread, largest_error
from qaconv_ext.graph import class_distances
from qaconv_ext.qaconv import QAConv, correlation_max, match_scores, pairwise_distance

HALF, BFLOAT, FULL = torch.float16, torch.bfloat16, torch.float32
#: Of kernels, on maps that are rounded already, relative to the largest.
ERROR = 1e-4


class Wanted(NamedTuple):
    """What a figure should reach."""

    bound: str
    """``at least`` or ``at most``."""
    value: float

    def met(self, value: float) -> bool:
        """Whether it does."""
        return value >= self.value if self.bound == "at least" else value <= self.value


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    unit: str
    """``share`` of the matrix product, ``s``, or ``times its forward``."""
    value: Spread
    seconds: Spread
    tflops: float | None
    text: str
    """Which text of the kernels ran."""
    wanted: Wanted | None = None
    notes: str = field(default="")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        data = asdict(self)
        data["wanted"] = None if self.wanted is None else self.wanted._asdict()
        data["met"] = None if self.wanted is None else self.wanted.met(self.value.median)
        return data


def _formula(probe: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
    """Both maxima in float32."""
    scores = torch.einsum("pcs,gcr->pgrs", probe.float(), gallery.float())
    return scores.amax(dim=2), scores.amax(dim=3)


class KernelFigures:
    """Measures; every kernel is held to the plain formula on a few of its maps first."""

    def __init__(self, clock: CudaClock, *, quick: bool) -> None:
        self.clock, self.quick = clock, quick
        self.runs = 3 if quick else 7
        self.size = Size(16, 5, 4) if quick else PAPER
        self.product = _matrix_product(clock, quick=quick)

    def all(self) -> Iterator[Figure]:
        """Every figure, the most telling first."""
        few, many = (3, 5) if self.quick else (256, 1024)
        classes = 7 if self.quick else 8000
        for dtype in (HALF, BFLOAT):
            wanted = Wanted("at least", 0.85) if dtype == HALF else None
            yield self.scores(few, many, self.size, dtype, wanted)
        yield self.distances(classes)
        yield self.graph(classes)
        yield self.planes(few, HALF, Wanted("at least", 0.60))
        yield self.scores(few, few, self.size, FULL, Wanted("at least", 0.25))
        yield self.planes(few, FULL, None)
        for batch in (3, 4) if self.quick else (64, 512):
            yield from self.backward(batch)
        small = 3 if self.quick else 64
        yield self.scores(small, small, self.size, HALF, None)
        if not is_emulated():
            yield self.captured(small)
        yield from self.shapes()

    # ---- one figure each ---------------------------------------------------------------------

    def scores(
        self, probes: int, galleries: int, size: Size, dtype: torch.dtype, wanted: Wanted | None
    ) -> Figure:
        """Scores of every pair."""
        probe, gallery = self._maps(probes, size, dtype, 1), self._maps(galleries, size, dtype, 2)
        weight = torch.rand(size.places, device="cuda")
        some = match_scores(probe[:4], gallery[:4], weight)
        self._prove(
            "match_scores", [some], [sum(m @ weight for m in _formula(probe[:4], gallery[:4]))]
        )
        name = f"match_scores {_name(dtype)} {probes} x {galleries}, {_shape(size)}"
        return self._share(
            name,
            lambda: match_scores(probe, gallery, weight),
            size.operations * probes * galleries,
            wanted,
        )

    def distances(self, count: int) -> Figure:
        """All distances of a set; each pair is computed once and counts twice."""
        maps = self._maps(count, self.size, HALF, 1)
        weight = torch.ones(self.size.places, device="cuda")
        some = pairwise_distance(maps[:5], weight)
        both = _formula(maps[:5], maps[:5])
        self._prove("pairwise_distance", [some], [-(both[0] + both[1]).sum(dim=-1)])
        return self._share(
            f"pairwise_distance float16 N={count}, {_shape(self.size)}",
            lambda: pairwise_distance(maps, weight),
            self.size.operations * count**2,
            Wanted("at least", 1.60),
        )

    def graph(self, count: int) -> Figure:
        """The distances of all classes, as the graph sampler asks for them."""
        maps = self._maps(count, self.size, HALF, 1).reshape(count, *self.size)
        matcher = QAConv(*self.size).cuda()
        seconds = self._seconds(lambda: class_distances(maps, matcher))
        name = f"graph.class_distances float16, {count} classes, {_shape(self.size)}"
        text = backend.last_cuda_text()
        return Figure(name, "s", seconds, seconds, None, text, Wanted("at most", 1.0))

    def planes(self, count: int, dtype: torch.dtype, wanted: Wanted | None) -> Figure:
        """Both maxima of every pair with their positions."""
        probe, gallery = (self._maps(count, self.size, dtype, seed) for seed in (1, 2))
        some = correlation_max(probe[:4], gallery[:4])
        self._prove("correlation_max", list(some[:2]), list(_formula(probe[:4], gallery[:4])))
        return self._share(
            f"correlation_max {_name(dtype)} {count} x {count}, {_shape(self.size)}",
            lambda: correlation_max(probe, gallery),
            self.size.operations * count**2,
            wanted,
        )

    def backward(self, count: int) -> Iterator[Figure]:
        """A self match and its gradient, every maximum of which has one."""
        maps = self._maps(count, self.size, HALF, 1)
        maxima, index = torch.ops.qaconv.correlation_max_self(maps)
        gradient = torch.randn_like(maxima)
        forward = self._share(
            f"correlation_max_self float16 B={count}, {_shape(self.size)}",
            lambda: torch.ops.qaconv.correlation_max_self(maps),
            self.size.operations * count**2,
            None,
        )
        yield forward
        seconds = self._seconds(
            lambda: torch.ops.qaconv.correlation_max_self_backward(gradient, maps, index)
        )
        yield Figure(
            f"its backward, B={count}",
            "times its forward",
            seconds.times(1 / forward.seconds.median),
            seconds,
            None,
            "",
            Wanted("at most", 1.0),
        )

    def captured(self, count: int) -> Figure:
        """A small batch without its launches: a replayed CUDA graph."""
        probe, gallery = (self._maps(count, self.size, HALF, seed) for seed in (1, 2))
        weight = torch.ones(self.size.places, device="cuda")
        match_scores(probe, gallery, weight)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            match_scores(probe, gallery, weight)
        return self._share(
            f"the same in a CUDA graph, {count} x {count}",
            graph.replay,
            self.size.operations * count**2,
            None,
        )

    def shapes(self) -> Iterator[Figure]:
        """Other numbers of places and channels; none should have under half of those beside it."""
        places = [21, 32, 48, 64, 80, 96, 105, 128, 160, 192, 200, 256, 288, 320, 384]
        channels, count = [32, 64, 96, 128, 192, 256, 320, 384, 512], 384
        if self.quick:
            places, channels, count = [17, 20, 33], [8, 70], 3
        for sizes in (
            [Size(self.size.channels, hw, 1) for hw in places],
            [Size(c, self.size.height, self.size.width) for c in channels],
        ):
            figures = [self.scores(count, count, size, HALF, None) for size in sizes]
            shares = [figure.value.median for figure in figures]
            for at, figure in enumerate(figures):
                beside = max(shares[max(at - 1, 0) : at + 2])
                yield Figure(
                    **{**figure.__dict__, "wanted": Wanted("at least", round(beside / 2, 3))}
                )

    # ---- how -------------------------------------------------------------------------------------

    @staticmethod
    def _maps(count: int, size: Size, dtype: torch.dtype, seed: int) -> Tensor:
        """``[N, C, places]``, made on the device: thousands of maps take a CPU long."""
        if count <= 8:
            return unit_maps(count, "cuda", seed, size).flatten(2).to(dtype)
        generator = torch.Generator(device="cuda").manual_seed(seed)
        maps = torch.empty(count, size.channels, size.places, device="cuda", dtype=dtype)
        for begin in range(0, count, 512):
            part = maps[begin : begin + 512]
            drawn = torch.randn(part.shape, generator=generator, device="cuda")
            part.copy_(torch.nn.functional.normalize(drawn, dim=1))
        return maps

    def _prove(self, name: str, ours: list[Tensor], truth: list[Any]) -> None:
        error = largest_error(ours, truth)
        if not error <= ERROR:
            raise SystemExit(
                f"{name}: differs from the plain formula by {error:.2g} of the largest value "
                f"(allowed {ERROR:g}); what is wrong is not timed"
            )

    def _seconds(self, run: Callable[[], object]) -> Spread:
        self.clock(run)
        first = self.clock(run)
        runs = 3 if first > 0.2 else self.runs
        return Spread.of([self.clock(run) for _ in range(runs)])

    def _share(
        self, name: str, run: Callable[[], object], operations: float, wanted: Wanted | None
    ) -> Figure:
        seconds = self._seconds(run)
        # The quickest run is the largest share.
        most, median, least = (
            operations / s / self.product.median
            for s in (seconds.minimum, seconds.median, seconds.maximum)
        )
        share = Spread(least, median, most, seconds.runs)
        text = backend.last_cuda_text()
        tflops = operations / seconds.median / 1e12
        return Figure(name, "share", share, seconds, tflops, text, wanted)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shape(size: Size) -> str:
    return f"C={size.channels} hw={size.places}"


def _matrix_product(clock: CudaClock, *, quick: bool) -> Spread:
    """Operations per second of the card's own large float16 matrix product."""
    side = 64 if quick else 8192
    a, b = torch.randn(2, side, side, device="cuda", dtype=HALF).unbind()
    out = torch.empty_like(a)
    times = [clock(lambda: torch.mm(a, b, out=out)) for _ in range(12)][2:]
    rates = sorted(2.0 * side**3 / t for t in times)
    return Spread.of(rates)


def ceilings(figures: KernelFigures, clock: CudaClock, *, quick: bool) -> dict[str, Any]:
    """What the card can do: the matrix product, and bytes read and written by a copy."""
    count = 2**12 if quick else 2**30
    source = torch.empty(count, dtype=torch.uint8, device="cuda").fill_(1)
    target = torch.empty_like(source)
    rates = [2.0 * count / clock(lambda: target.copy_(source)) for _ in range(7)][2:]
    return {
        "matrix_product_flops": figures.product.as_dict(),
        "copy_bytes_per_second": Spread.of(rates).as_dict(),
    }


def row(figure: Figure) -> str:
    """A line of text."""
    value, unit = figure.value, figure.unit
    shown = f"{value.median * 100:6.1f} %" if unit == "share" else f"{value.median:6.3f} {unit}"
    tflops = "" if figure.tflops is None else f"{figure.tflops:7.1f} TFLOP/s"
    wanted = ""
    if figure.wanted is not None:
        mark = "met" if figure.wanted.met(value.median) else "MISSED"
        limit = figure.wanted.value
        written = f"{limit * 100:.0f} %" if unit == "share" else f"{limit:g}"
        wanted = f"{figure.wanted.bound} {written}: {mark}"
    spread = f"({figure.seconds.minimum * 1e3:.3f} - {figure.seconds.maximum * 1e3:.3f})"
    milliseconds = f"{figure.seconds.median * 1e3:9.3f} ms"
    return (
        f"{figure.name:58} {milliseconds} {spread:21} {tflops:16} {shown:14} "
        f"{figure.text:11} {wanted}"
    ).rstrip()

"""The kernels by themselves on a GPU, as shares of the card's own matrix product.

Operations are the useful ones: both directions of every pair come from one correlation, which
counts once; a self match counts as its whole square, though each pair is computed once. Every
result that is timed is first held to the plain formula, on some of its pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from qaconv_ext.benchmark.cases import PAPER, TINY, Size
from qaconv_ext.benchmark.ceilings import Ceilings
from qaconv_ext.benchmark.cuda_clock import Bursts, CudaClock, copies
from qaconv_ext.benchmark.cuda_meter import is_emulated, last_variant
from qaconv_ext.benchmark.figures import Figure, Figures, prove, some, taken
from qaconv_ext.benchmark.measure import Spread
from qaconv_ext.benchmark.tolerances import FULL, HALF, name_of
from qaconv_ext.functional import correlation_max, match_scores, pairwise_distance
from qaconv_ext.graph import class_distances
from qaconv_ext.qaconv import QAConv

BRAIN = torch.bfloat16


class _Sizes(NamedTuple):
    """What is measured; the second is for a test, and for an emulator."""

    size: Size
    probes: int
    gallery: int
    classes: int
    backward: tuple[int, int]
    small: int
    locations: tuple[int, ...]
    channels: tuple[int, ...]


_WHOLE = _Sizes(
    PAPER,
    256,
    1024,
    8000,
    (64, 512),
    64,
    (21, 32, 48, 64, 80, 96, 105, 128, 160, 192, 200, 256, 288, 320, 384),
    (32, 64, 96, 128, 192, 256, 384, 512),
)
_QUICK = _Sizes(TINY, 3, 5, 7, (3, 4), 3, (5, 12, 17), (8, 16, 20))


def device_maps(count: int, size: Size, dtype: torch.dtype, seed: int) -> Tensor:
    """``[count, C, h, w]`` of unit vectors, drawn on the device: thousands take a CPU long."""
    generator = torch.Generator(device="cuda").manual_seed(seed)
    maps = torch.empty(count, *size, device="cuda", dtype=dtype)
    for start in range(0, count, 512):  # float32 copies of a part at a time
        part = maps[start : start + 512]
        drawn = torch.randn(part.shape, generator=generator, device="cuda")
        part.copy_(torch.nn.functional.normalize(drawn, dim=1))
    return maps


def correlations(probe: Tensor, gallery: Tensor) -> Tensor:
    """``[P, G, gallery locations, probe locations]`` in float32."""
    return torch.einsum("pcs,gcr->pgrs", probe.flatten(2).float(), gallery.flatten(2).float())


def _weighted(probe: Tensor, gallery: Tensor, weight: Tensor) -> Tensor:
    scores = correlations(probe, gallery)
    return scores.amax(dim=2) @ weight + scores.amax(dim=3) @ weight


def _prove_scores(scores: Tensor, probe: Tensor, gallery: Tensor, weight: Tensor) -> None:
    rows, columns = some(len(probe)), some(len(gallery))
    prove([scores[rows][:, columns]], [_weighted(probe[rows], gallery[columns], weight)])


def _prove_maxima(result: tuple[Tensor, ...], probe: Tensor, gallery: Tensor) -> None:
    """Values, and that they stand where the positions say; of equal values any will do here."""
    rows, columns = some(len(probe)), some(len(gallery))
    over_gallery, over_probe, in_gallery, in_probe = (t[rows][:, columns] for t in result)
    scores = correlations(probe[rows], gallery[columns])
    ours = [over_gallery, over_probe]
    prove(ours, [scores.amax(dim=2), scores.amax(dim=3)])
    there = scores.gather(2, in_gallery.long()[:, :, None]).squeeze(2)
    prove(ours, [there, scores.gather(3, in_probe.long()[..., None]).squeeze(3)])


def _prove_backward(result: Tensor, gradient: Tensor, maps: Tensor, index: Tensor) -> None:
    """Of some maps, what comes to them as the first of a pair and as the second."""
    for chosen in some(len(maps)).tolist():
        winners = index.long()
        partners = maps.float().gather(2, winners[chosen][:, None].expand_as(maps))
        as_first = (partners * gradient[chosen][:, None]).sum(dim=0)
        rows = maps.float() * gradient[:, chosen][:, None]
        locations = winners[:, chosen][:, None].expand_as(maps)
        as_second = torch.zeros_like(rows).scatter_add_(2, locations, rows).sum(dim=0)
        prove([result[chosen]], [as_first + as_second])


class KernelFigures:
    """All figures of the kernels, the most telling first."""

    def __init__(
        self, ceilings: Ceilings, bursts: Bursts, clock: CudaClock, *, quick: bool
    ) -> None:
        self._figures = Figures(bursts, ceilings)
        self._bursts, self._clock = bursts, clock
        self._sizes = _QUICK if quick else _WHOLE

    def __iter__(self) -> Iterator[Figure]:
        """Take them one by one."""
        sizes = self._sizes
        pairs = sizes.probes, sizes.gallery
        yield self._scores(*pairs, sizes.size, HALF, target="scores")
        yield self._distances()
        yield self._graph()
        yield self._maxima(*pairs, HALF, target="positions")
        yield self._scores(*pairs, sizes.size, FULL, target="float32")
        for count, target in zip(sizes.backward, ("few", "many"), strict=True):
            yield from self._backward(count, HALF, target=f"backward {target}")
        yield self._scores(*pairs, sizes.size, BRAIN)
        yield self._maxima(*pairs, FULL)
        yield self._scores(sizes.small, sizes.small, sizes.size, HALF)
        yield self._captured(sizes.small)
        yield self._module(sizes.small)
        yield from self._backward(sizes.backward[0], FULL)
        for locations in sizes.locations:
            yield self._shape(Size(sizes.size.channels, locations, 1), "locations")
        for channels in sizes.channels:
            yield self._shape(sizes.size._replace(channels=channels), "channels")

    def _two_sets(
        self, probes: int, gallery: int, dtype: torch.dtype, size: Size | None = None
    ) -> tuple[Tensor, Tensor]:
        size = size or self._sizes.size
        return device_maps(probes, size, dtype, 0), device_maps(gallery, size, dtype, 1)

    def _scores(
        self,
        probes: int,
        gallery: int,
        size: Size,
        dtype: torch.dtype,
        *,
        target: str | None = None,
        series: str | None = None,
    ) -> Figure:
        def take(blank: Figure) -> Figure:
            maps = self._two_sets(probes, gallery, dtype, size)
            weight = torch.rand(size.locations, device="cuda")
            _prove_scores(match_scores(*maps, weight), *maps, weight)
            return self._figures.share(
                blank,
                size.operations * probes * gallery,
                lambda probe, gallery: match_scores(probe, gallery, weight),
                copies(*maps),
            )

        shape = _shape(f"{probes} x {gallery}", size)
        return taken(Figure(f"match_scores {name_of(dtype)}", shape, target, series), take)

    def _distances(self) -> Figure:
        size, count = self._sizes.size, self._sizes.classes

        def take(blank: Figure) -> Figure:
            maps = device_maps(count, size, HALF, 0)
            weight = torch.rand(size.locations, device="cuda")
            _prove_scores(-pairwise_distance(maps, weight), maps, maps, weight)
            return self._figures.share(
                blank,
                size.operations * count**2,
                lambda maps: pairwise_distance(maps, weight),
                copies(maps),
            )

        shape = _shape(f"N={count}", size)
        return taken(Figure(f"pairwise_distance {name_of(HALF)}", shape, "self"), take)

    def _graph(self) -> Figure:
        """What the graph sampler's user calls; one call, as it is made once an epoch."""
        size, count = self._sizes.size, self._sizes.classes

        def take(blank: Figure) -> Figure:
            maps = device_maps(count, size, HALF, 0)
            matcher = QAConv(*size).cuda()
            weight, bias = (part.detach().float() for part in matcher.folded())
            distances = class_distances(maps, matcher)
            _prove_scores(-distances - bias, maps, maps, weight)
            seconds = Spread.of(
                [self._clock(lambda: class_distances(maps, matcher)) for _ in "123"]
            )
            return replace(
                blank,
                unit="s",
                value=seconds,
                seconds=seconds,
                tflops=size.operations * count**2 / seconds.median / 1e12,
                variant=last_variant(),
            )

        shape = _shape(f"N={count}", size)
        return taken(Figure(f"graph.class_distances {name_of(HALF)}", shape, "graph"), take)

    def _maxima(
        self, probes: int, gallery: int, dtype: torch.dtype, *, target: str | None = None
    ) -> Figure:
        size = self._sizes.size

        def take(blank: Figure) -> Figure:
            maps = self._two_sets(probes, gallery, dtype)
            _prove_maxima(correlation_max(*maps), *maps)
            operations = size.operations * probes * gallery
            return self._figures.share(blank, operations, correlation_max, copies(*maps))

        shape = _shape(f"{probes} x {gallery}", size)
        return taken(Figure(f"correlation_max {name_of(dtype)}", shape, target), take)

    def _backward(
        self, count: int, dtype: torch.dtype, *, target: str | None = None
    ) -> Iterator[Figure]:
        """A self match with positions, then its gradient, of which every maximum has a part."""
        size, operators = self._sizes.size, torch.ops.qaconv
        shape = _shape(f"B={count}", size)
        maps = device_maps(count, size, dtype, 0).flatten(2)

        def take_forward(blank: Figure) -> Figure:
            maxima, index = operators.correlation_max_self(maps)
            both = maxima, maxima.transpose(0, 1), index, index.transpose(0, 1)
            _prove_maxima(both, maps, maps)
            return self._figures.share(
                blank, size.operations * count**2, operators.correlation_max_self, copies(maps)
            )

        forward = taken(Figure(f"correlation_max_self {name_of(dtype)}", shape), take_forward)
        yield forward

        def take_backward(blank: Figure) -> Figure:
            maxima, index = operators.correlation_max_self(maps)
            gradient = torch.randn_like(maxima)
            inputs = gradient, maps, index
            result = operators.correlation_max_self_backward(*inputs)
            _prove_backward(result, *inputs)
            work: Callable[..., object] = operators.correlation_max_self_backward
            return self._figures.times(blank, forward, work, copies(*inputs))

        yield taken(Figure(f"its backward {name_of(dtype)}", shape, target), take_backward)

    def _captured(self, count: int) -> Figure:
        """A small batch without its launches: a CUDA graph of one call on each of the inputs."""
        size = self._sizes.size

        def take(blank: Figure) -> Figure:
            if is_emulated():
                raise RuntimeError("the emulator has no CUDA graphs")
            inputs = copies(*self._two_sets(count, count, HALF))
            weight = torch.rand(size.locations, device="cuda")
            match_scores(inputs[0][0], inputs[0][1], weight)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                results = [match_scores(probe, gallery, weight) for probe, gallery in inputs]
            graph.replay()
            _prove_scores(results[-1], inputs[-1][0], inputs[-1][1], weight)
            operations = size.operations * count**2
            return self._figures.share(blank, operations, graph.replay, [()], calls=len(inputs))

        shape = _shape(f"{count} x {count}", size)
        return taken(Figure(f"match_scores {name_of(HALF)}, CUDA graph", shape), take)

    def _module(self, count: int) -> Figure:
        """A small batch through the module, as an evaluation calls it."""
        size = self._sizes.size

        def take(blank: Figure) -> Figure:
            maps = self._two_sets(count, count, HALF)
            matcher = QAConv(*size).cuda().eval()
            weight, bias = (part.detach().float() for part in matcher.folded())
            with torch.no_grad():
                _prove_scores(matcher(*maps) - bias, *maps, weight)
                operations = size.operations * count**2
                return self._figures.share(blank, operations, matcher, copies(*maps))

        shape = _shape(f"{count} x {count}", size)
        return taken(Figure(f"QAConv in evaluation {name_of(HALF)}", shape), take)

    def _shape(self, size: Size, series: str) -> Figure:
        """So many maps of a size that all sizes have about the work of a square of ``probes``."""
        least = self._sizes.size
        factor = least.locations / size.locations * (least.channels / size.channels) ** 0.5
        count = max(2, round(self._sizes.probes * factor))
        return self._scores(count, count, size, HALF, series=series)


def _shape(maps: str, size: Size) -> str:
    return f"{maps}, C={size.channels} hw={size.locations}"

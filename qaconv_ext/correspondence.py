"""Why two maps match: each location's part of the score, and which locations match each other.

In evaluation mode the matcher's head is one affine map of the maxima (`QAConv.folded`), so a score
is a sum over locations and a bias, and each location's term can be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from qaconv_ext import _arguments, _checks
from qaconv_ext.functional import correlation_max
from qaconv_ext.qaconv import QAConv

__all__ = [
    "Correspondences",
    "Match",
    "correspondences",
    "correspondences_of_pairs",
    "ordinary_maximum",
]


class Match(NamedTuple):
    """Two locations, each the other's best."""

    probe: tuple[int, int]
    """Row and column in the probe map."""
    gallery: tuple[int, int]
    """Row and column in the gallery map."""
    correlation: float
    """The inner product of the two locations' vectors."""
    contribution: float
    """The two locations' part of the score: the sum of both heat maps there."""


@dataclass(frozen=True, slots=True, eq=False)
class Correspondences:
    """A pair's score, taken apart: ``probe_heat.sum() + gallery_heat.sum() + bias``."""

    probe_heat: Tensor
    """``[h, w]`` float64 on the CPU: the part of each probe location, from its best correlation
    with the gallery map. Below 0 it lowers the score."""
    gallery_heat: Tensor
    """``[h, w]`` float64 on the CPU: the part of each gallery location, likewise."""
    probe_best: Tensor
    """``[h, w]`` int64 on the CPU: for each probe location the position of the best gallery
    location, counted row by row."""
    gallery_best: Tensor
    """``[h, w]`` int64 on the CPU: for each gallery location that of the best probe location."""
    probe_maximum: Tensor
    """``[h, w]`` float32 or float64 on the CPU: for each probe location its correlation with the
    best gallery location."""
    gallery_maximum: Tensor
    """``[h, w]`` float32 or float64 on the CPU: for each gallery location, likewise."""
    bias: float
    """The part of the score that belongs to no location."""
    matches: tuple[Match, ...]
    """All pairs of locations that are each other's best, the greatest contribution by magnitude
    first; of equal ones the lower probe position."""

    @property
    def score(self) -> float:
        """The matcher's score of the pair, in evaluation mode."""
        return float(self.probe_heat.sum() + self.gallery_heat.sum()) + self.bias

    def strongest(self, top: int | None = None, threshold: float = 0.0) -> tuple[Match, ...]:
        """The first ``top`` matches whose contribution is at least ``threshold`` in magnitude.

        Args:
            top: how many at most; None for all of them.
            threshold: in units of the score; of either sign.

        Raises:
            ValueError: an argument is below 0, or no number.
        """
        top = None if top is None else _checks.whole_number("top", top, 0)
        threshold = _checks.number("threshold", threshold, 0)
        return tuple(m for m in self.matches if abs(m.contribution) >= threshold)[:top]


def ordinary_maximum(matcher: QAConv) -> float:
    """The running mean of the maxima in training: what a location of an ordinary pair has.

    It is 0 where the matcher keeps no such mean.
    """
    mean = matcher.bn.running_mean
    return 0.0 if mean is None else float(mean)


def correspondences(
    matcher: QAConv, probe: Tensor, gallery: Tensor, *, base: float = 0.0
) -> Correspondences:
    """Take the score of two maps apart.

    A location's part is ``weight · (maximum - base)``, by the folded head. With ``base`` 0 that is
    its term of the score. Most of a term is the same for all pairs, though. With the mean of the
    maxima in training (`ordinary_maximum`) as ``base``, that share goes to the bias, and a location
    raises or lowers the score in comparison with an ordinary pair.

    Args:
        matcher: whose score it is; the head is that of evaluation mode, whatever the mode.
        probe: ``[C, height, width]`` as the matcher takes them, float32, float64, float16 or
            bfloat16.
        gallery: as ``probe``.
        base: the maximum at which a location's part is 0. The score does not depend on it.

    Raises:
        TypeError, ValueError: an argument's type, shape or range is not one of the above.
    """
    for name, value in (("probe", probe), ("gallery", gallery)):
        _check(matcher, name, value, 3)
    return correspondences_of_pairs(matcher, probe[None], gallery[None], base=base)[0]


@torch.no_grad()
def correspondences_of_pairs(
    matcher: QAConv, probe: Tensor, gallery: Tensor, *, base: float = 0.0
) -> list[Correspondences]:
    """`correspondences` of the first probe with the first gallery map, the second with the second.

    Args:
        matcher: as there.
        probe: ``[N, C, height, width]``.
        gallery: ``[N, C, height, width]``.
        base: as there.

    Raises:
        TypeError, ValueError: as there; or the numbers of maps differ.
    """
    for name, value in (("probe", probe), ("gallery", gallery)):
        _check(matcher, name, value, 4)
    if len(probe) != len(gallery):
        raise ValueError(f"gallery: got {len(gallery)} maps, wanted {len(probe)} as probe has")
    base = _checks.number("base", base, finite=True)
    weight, bias = (part.cpu() for part in matcher.folded())
    sides = [side.reshape(matcher.height, matcher.width) for side in matcher.sides(weight)]
    rest = float(bias) + base * sum(float(side.sum()) for side in sides)
    return [
        _take_apart(probe[i : i + 1], gallery[i : i + 1], sides, rest, base)
        for i in range(len(probe))
    ]


def _take_apart(
    probe: Tensor, gallery: Tensor, sides: Sequence[Tensor], rest: float, base: float
) -> Correspondences:
    """Of maps ``[1, C, h, w]``; the weights of both sides are ``[h, w]``."""
    found = correlation_max(probe, gallery)
    over_gallery, over_probe, there, back = (part[0, 0].cpu() for part in found)  # [h·w] each
    probe_heat, gallery_heat = (
        weight * (maxima.double() - base).reshape(weight.shape)
        for weight, maxima in zip(sides, (over_gallery, over_probe), strict=True)
    )
    positions = torch.arange(len(there))
    mutual = positions[back.long()[there.long()] == positions].tolist()
    columns = sides[0].shape[1]
    matches = []
    for position in mutual:
        here, other = divmod(position, columns), divmod(int(there[position]), columns)
        part = float(probe_heat[here] + gallery_heat[other])
        matches.append(Match(here, other, float(over_gallery[position]), part))
    matches.sort(key=lambda match: -abs(match.contribution))
    shape = sides[0].shape
    return Correspondences(
        probe_heat=probe_heat,
        gallery_heat=gallery_heat,
        probe_best=there.long().reshape(shape),
        gallery_best=back.long().reshape(shape),
        probe_maximum=over_gallery.reshape(shape),
        gallery_maximum=over_probe.reshape(shape),
        bias=rest,
        matches=tuple(matches),
    )


def _check(matcher: QAConv, name: str, value: object, dimensions: int) -> None:
    _checks.instance("matcher", matcher, QAConv, "a QAConv")
    maps = _arguments.tensor(name, value)
    if maps.is_meta:
        raise ValueError(f"{name}: got device meta, wanted one that holds numbers")
    wanted = [matcher.num_features, matcher.height, matcher.width]
    if maps.dim() != dimensions or list(maps.shape[-3:]) != wanted:
        sizes = ", ".join(str(n) for n in wanted)
        raise ValueError(
            f"{name}: got shape {list(maps.shape)}, wanted "
            f"[{'N, ' if dimensions == 4 else ''}{sizes}] as the matcher was made for"
        )

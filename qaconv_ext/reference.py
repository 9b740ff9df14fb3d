"""The operations in plain PyTorch: slow, plain, and the truth the kernels are held to.

Every tensor of size P·G·hw·hw that the kernels avoid is written out here. The sums run in float32,
or in float64 for float64 inputs; a test that wants the most exact answer passes float64 inputs.
This file is also what runs where nothing was compiled, and what the benchmarks compare with.

Notation (Liao & Shao, ECCV 2020, section 3): ``probe`` is ``[P, C, s]``, ``gallery`` ``[G, C, r]``,
``s`` and ``r`` the locations of the flattened maps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type sums are made in: float64 for float64, float32 for everything narrower."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def index_dtype(locations: int) -> torch.dtype:
    """The type that stores the number of a location: uint8 up to 256 locations, int16 above."""
    return torch.uint8 if locations <= 256 else torch.int16


def correlation(probe: Tensor, gallery: Tensor) -> Tensor:
    """Every location of every probe with every location of every gallery map: ``[P, G, r, s]``."""
    dtype = compute_dtype(probe.dtype)
    return torch.einsum("pcs,gcr->pgrs", probe.to(dtype), gallery.to(dtype))


def _max_with_first_index(scores: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Maximum along ``dim`` and where it is: a NaN wins, and of equals the lowest index."""
    fixed = scores.detach()
    winner = fixed.amax(dim=dim, keepdim=True)
    # argmax promises the first of equal values; max(dim) promises nothing.
    hit = torch.where(winner.isnan(), fixed.isnan(), fixed == winner)
    index = hit.to(torch.uint8).argmax(dim=dim, keepdim=True)
    # Taken by gather and not by amax, whose gradient is shared among equal values.
    return scores.gather(dim, index).squeeze(dim), index.squeeze(dim)


def correlation_max(probe: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both maxima of every pair's correlation, and their positions.

    Args:
        probe: ``[P, C, s]`` floating.
        gallery: ``[G, C, r]`` floating.

    Returns:
        ``over_gallery [P, G, s]`` (for each probe location its best gallery location), ``over_probe
        [P, G, r]`` (the other way round), and the positions of the two, as `index_dtype` says.
    """
    scores = correlation(probe, gallery)  # [P, G, r, s]
    over_gallery, gallery_index = _max_with_first_index(scores, dim=2)
    over_probe, probe_index = _max_with_first_index(scores, dim=3)
    return (
        over_gallery,
        over_probe,
        gallery_index.to(index_dtype(gallery.shape[2])),
        probe_index.to(index_dtype(probe.shape[2])),
    )


def correlation_max_self(features: Tensor) -> tuple[Tensor, Tensor]:
    """``over_gallery [N, N, s]`` of maps matched with themselves, and its positions.

    ``over_probe`` of such a match is the same with the pairs transposed.
    """
    over_gallery, _, gallery_index, _ = correlation_max(features, features)
    return over_gallery, gallery_index


def match_scores(
    probe: Tensor, gallery: Tensor, probe_weight: Tensor, gallery_weight: Tensor, bias: Tensor
) -> Tensor:
    """One number per pair, ``[P, G]``: the weighted sum of all its maxima, plus the bias.

    ``probe_weight [s]`` weighs ``over_gallery``, ``gallery_weight [r]`` weighs ``over_probe``.
    """
    over_gallery, over_probe, _, _ = correlation_max(probe, gallery)
    dtype = over_gallery.dtype
    return (
        over_gallery @ probe_weight.to(dtype)
        + over_probe @ gallery_weight.to(dtype)
        + bias.to(dtype)
    )


#: The codes of the precisions that winners may be found in, as the operators take them.
BFLOAT16, INT8 = 0, 1


def position_bits(locations: int, other_locations: int) -> int:
    """Bits that tell the positions of the larger map apart."""
    return (max(locations, other_locations) - 1).bit_length()


def narrow_steps(channels: int, bits: int) -> int:
    """The whole number that int8 rounds a map's largest magnitude to: 127, where a sum has room."""
    room = (1 << (31 - bits)) - 1
    return next(steps for steps in range(127, 0, -1) if 2 * channels * steps**2 <= room)


def _rounded_maps(maps: Tensor, precision: int, steps: int) -> Tensor:
    """As the narrow products see them, float64."""
    maps = maps.float()
    if precision == BFLOAT16:
        return maps.bfloat16().double()
    largest = maps.abs().amax(dim=(1, 2), keepdim=True)
    scale = torch.tensor(float(steps), device=maps.device) / largest
    return (maps * torch.where(scale.isfinite(), scale, 0.0)).round().double()


def _winner(sums: Tensor, dim: int) -> Tensor:
    """Where the greatest is: of equals the lowest position, of those below zero the highest."""
    best = sums.amax(dim=dim, keepdim=True)
    hit = (sums == best).to(torch.uint8)
    last = sums.shape[dim] - 1 - hit.flip(dim).argmax(dim=dim, keepdim=True)
    return torch.where(best < 0, last, hit.argmax(dim=dim, keepdim=True))


def match_scores_narrow(
    probe: Tensor,
    gallery: Tensor,
    probe_weight: Tensor,
    gallery_weight: Tensor,
    bias: Tensor,
    precision: int,
) -> Tensor:
    """`match_scores` whose winners are found on rounded maps; what they win is taken in float32.

    The contract is in csrc/core/narrow.h. Pairs with a map that is not finite are not rounded.
    """
    bits = position_bits(probe.shape[2], gallery.shape[2])
    steps = narrow_steps(probe.shape[1], bits)
    rounded = (_rounded_maps(maps, precision, steps) for maps in (probe, gallery))
    sums = torch.einsum("pcs,gcr->pgrs", *rounded)
    if precision == BFLOAT16:  # the last bits of a sum make room for a position
        sums = (sums.float().view(torch.int32) & -(1 << bits)).view(torch.float32)
    exact = correlation(probe, gallery)
    values = []
    for dim in (2, 3):
        index = _winner(sums, dim) if precision == BFLOAT16 else sums.argmax(dim, keepdim=True)
        values.append(exact.gather(dim, index).squeeze(dim))
    scores = values[0] @ probe_weight.float() + values[1] @ gallery_weight.float() + bias.float()
    plain = match_scores(probe, gallery, probe_weight, gallery_weight, bias)
    finite = [maps.float().isfinite().all(dim=2).all(dim=1) for maps in (probe, gallery)]
    return torch.where(finite[0][:, None] & finite[1], scores, plain)


def pairwise_distance(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Minus the score of every map with every other and with itself: ``[N, N]``."""
    return -match_scores(features, features, weight, weight, bias)


class PlainQAConv(nn.Module):
    """The matcher written out with torch's own modules, a line a step: the baseline to be beaten.

    Same parameters, buffers and results as `qaconv_ext.qaconv.QAConv`, in both modes.

    Args:
        height: rows of the feature maps.
        width: columns of the feature maps.
        amax: take the maxima by ``amax`` and not by ``max``, as the published formula is written:
            faster in evaluation, for it finds no positions, and slower in training.
        separate_weights: of the two directions, as before the authors' release 2.1.
    """

    def __init__(
        self, height: int, width: int, *, amax: bool = False, separate_weights: bool = False
    ) -> None:
        super().__init__()
        self.amax = amax
        self.bn = nn.BatchNorm1d(1)
        self.fc = nn.Linear(height * width * (2 if separate_weights else 1), 1)
        self.logit_bn = nn.BatchNorm1d(1)

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """Scores ``[P, G]`` of maps ``[P, C, h, w]`` and ``[G, C, h, w]``."""
        locations = probe.shape[2] * probe.shape[3]
        scores = torch.einsum("pcs,gcr->pgrs", probe.flatten(2), gallery.flatten(2))
        maxima = torch.cat((self._maxima(scores, 2), self._maxima(scores, 3)), dim=-1)
        normalized = self.bn(maxima.reshape(-1, 1, locations)).reshape(-1, self.fc.in_features)
        halves = self.fc(normalized).reshape(maxima.shape[0] * maxima.shape[1], -1)
        score: Tensor = self.logit_bn(halves.sum(dim=1, keepdim=True))
        return score.reshape(len(probe), len(gallery))

    def _maxima(self, scores: Tensor, dim: int) -> Tensor:
        return scores.amax(dim=dim) if self.amax else scores.max(dim=dim).values

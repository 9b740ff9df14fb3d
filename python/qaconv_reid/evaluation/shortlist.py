"""Exact scores of the part of a gallery that row stripes choose; the rest below, by stripes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qaconv_reid.models import stripes

__all__ = ["Kept", "Shortlist"]

_STRIPES = 8
#: Maps that become vectors at a time.
_BLOCK = 1024


class Kept(NamedTuple):
    """What a shortlist is worth, on some queries that were scored exactly as well."""

    share: float
    queries: int
    best: int
    recall: float
    """Of the exact best ``best`` of each query, the share that is in its shortlist."""
    mAP: float
    """By the shortlist less by exact scores."""

    def __str__(self) -> str:
        return (
            f"shortlist {self.share:g}: of {self.queries} queries {100 * self.recall:.1f} % of the "
            f"exact best {self.best} are in it, mAP {100 * self.mAP:+.2f} against exact scores"
        )


class Shortlist:
    """The images of a gallery that are worth an exact score, for each query by its stripes.

    Args:
        query: maps ``[Q, C, h, w]``, anywhere.
        gallery: maps ``[G, C, h, w]``, anywhere.
        share: of the gallery, above 0 and up to 1; at least one image is taken.
        device: where vectors are compared.
    """

    def __init__(
        self, query: Tensor, gallery: Tensor, share: float, device: str | torch.device = "cpu"
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"shortlist: got {share}, wanted above 0 and up to 1")
        self.share = share
        self.count = math.ceil(share * len(gallery))
        self._query, self._gallery = (_vectors(maps).to(device) for maps in (query, gallery))

    def order(self, query: int) -> Tensor:
        """All gallery numbers ``[G]``, the nearest stripes first, of equal ones the lower first."""
        likeness = self._gallery @ self._query[query]
        return likeness.argsort(descending=True, stable=True)

    def scores(
        self, matcher: nn.Module, first: int, query: Tensor, gallery: Tensor, block: int
    ) -> Tensor:
        """Scores whose order is total: exact ones of the shortlist, then all others below them.

        The others are lower than the lowest of the query's shortlist by whole numbers, in the order
        of their stripes.

        Args:
            matcher: in evaluation mode.
            first: the number of the first of these queries.
            query: ``[b, C, h, w]``, on the matcher's device.
            gallery: ``[G, C, h, w]``, anywhere.
            block: gallery maps matched at a time.

        Returns:
            ``[b, G]`` float32.
        """
        result = torch.empty((len(query), len(gallery)), device=query.device)
        for row, own in enumerate(query):
            order = self.order(first + row)
            chosen, others = order[: self.count], order[self.count :]
            for part in torch.split(chosen, block):
                maps = gallery[part.to(gallery.device)].to(query.device)
                result[row, part] = matcher(own[None], maps)[0].float()
            floor = result[row, chosen].min().floor()
            places = torch.arange(1, len(others) + 1, device=query.device)
            result[row, others] = floor - places
        return result


def _vectors(maps: Tensor) -> Tensor:
    count = min(_STRIPES, maps.shape[2])
    return torch.cat([stripes(part, count) for part in torch.split(maps, _BLOCK)])

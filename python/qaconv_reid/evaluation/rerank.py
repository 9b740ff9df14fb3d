"""Re-ranking by k-reciprocal encoding, in bounded memory.

Zhong et al., *Re-ranking Person Re-identification with k-reciprocal Encoding*, CVPR 2017. Distances
are squared and divided by the greatest of their image before they count, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qaconv_reid.evaluation.k_reciprocal import (
    PairDistances,
    Settings,
    encode,
    jaccard_distances,
)
from qaconv_reid.evaluation.nearest import NearestRows

__all__ = ["Reranking", "rerank", "rerank_among"]

Matrix = TypeVar("Matrix", Tensor, NDArray[Any])

#: Rows of distances that are held at a time.
_ROWS = 256


class Reranking:
    """What re-ranks blocks of queries, once every image's neighbors are known.

    Queries and gallery are one sequence of N images, the queries first.

    Args:
        nearest: of all N × N distances, with at least ``settings.kept(N)`` of each row. Its values
            may be anything that grows with the distance.
        queries: how many of the images are queries.
        others: distances of pairs that are not among the nearest: few of all.
        settings: the numbers of neighbors and the weight.
        distance: from the values of ``nearest`` to distances, growing; by default they are.
        among: all images are queries, and the gallery as well.
    """

    def __init__(
        self,
        nearest: NearestRows,
        queries: int,
        others: PairDistances,
        settings: Settings,
        *,
        distance: Callable[[Tensor], Tensor] = lambda values: values,
        among: bool = False,
    ) -> None:
        farthest = distance(nearest.greatest)
        self._weight = settings.weight
        self._scale = torch.where(farthest > 0, farthest, 1.0)[:queries]
        self._encoding = encode(
            nearest.columns, distance(nearest.values), farthest, others, settings
        )
        self._gallery = self._encoding.since(0 if among else queries).transposed()

    def block(self, first: int, distances: Tensor) -> Tensor:
        """The final distances of some queries.

        Args:
            first: the first of them.
            distances: ``[b, G]``, theirs to the gallery.

        Returns:
            ``[b, G]``.
        """
        rows = torch.arange(first, first + len(distances), device=distances.device)
        original = (distances / self._scale[rows, None]).square()
        jaccard = jaccard_distances(self._encoding, self._gallery, rows)
        return torch.lerp(jaccard, original, self._weight)


def rerank(
    query_gallery: Matrix,
    query_query: Matrix,
    gallery_gallery: Matrix,
    *,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> Matrix:
    """Re-rank the gallery of every query by k-reciprocal encoding.

    Beside arguments and result, memory grows with the number of images and not with its square: of
    each image only the ``k1 + 1`` nearest and the sparse encoding are held.

    Of equal distances the image of the lower number is the nearer, queries before the gallery. A
    distance below 0 counts as its square does: rounding makes small ones.

    Args:
        query_gallery: ``[Q, G]`` float32 or float64, lower for more alike; tensors on one device,
            or numpy arrays. The result is computed in this type.
        query_query: ``[Q, Q]``, as ``query_gallery``.
        gallery_gallery: ``[G, G]``, as ``query_gallery``.
        k1: neighbors of an image that may be reciprocal.
        k2: neighbors, itself among them, whose encodings are averaged; 1 averages nothing.
        weight: share of the original distance in the result (the paper's lambda).

    Returns:
        Distances ``[Q, G]``, of the type and on the device of ``query_gallery``.

    Raises:
        TypeError, ValueError: an argument's type, shape or range is not one of the above, or a
            distance is not finite.
    """
    settings = Settings(k1, k2, weight)
    named = {
        "query_gallery": query_gallery,
        "query_query": query_query,
        "gallery_gallery": gallery_gallery,
    }
    across, among_queries, among_gallery = (_matrix(name, m) for name, m in named.items())
    among_queries, among_gallery = among_queries.to(across.dtype), among_gallery.to(across.dtype)
    queries, gallery = across.shape
    _check_shapes(among_queries, among_gallery, queries, gallery)
    if queries == 0 or gallery == 0:
        return _like(across.clone(), query_gallery)

    images = queries + gallery
    nearest = NearestRows(images, settings.kept(images), dtype=across.dtype, device=across.device)
    # The original divides the columns by their maxima and turns the matrix round: a row holds the
    # distances *to* its image, which matters where the matrices are not symmetric.
    for start, rows in _row_blocks(among_queries.T, across):
        nearest.offer(start, 0, rows)
    for start, rows in _row_blocks(across.T, among_gallery.T):
        nearest.offer(queries + start, 0, rows)

    def pairs(left: Tensor, right: Tensor) -> Tensor:
        result = across.new_empty(len(left))
        for row, column, part in (
            (0, 0, among_queries.T),
            (0, queries, across),
            (queries, 0, across.T),
            (queries, queries, among_gallery.T),
        ):
            here = ((left >= queries) == bool(row)) & ((right >= queries) == bool(column))
            result[here] = part[left[here] - row, right[here] - column]
        return result

    found = Reranking(nearest, queries, pairs, settings)
    result = torch.empty_like(across)
    for start in range(0, queries, _ROWS):
        result[start : start + _ROWS] = found.block(start, across[start : start + _ROWS])
    return _like(result, query_gallery)


def rerank_among(distances: Tensor, settings: Settings | None = None) -> Tensor:
    """Re-rank a set among itself: of release 2.0's graph, where every class looks for every other.

    Args:
        distances: ``[N, N]`` float32 or float64, lower for more alike, finite.
        settings: the numbers of neighbors and the weight; None takes the paper's.

    Returns:
        Distances ``[N, N]``, as ``distances``.
    """
    settings = settings or Settings()
    images = len(distances)
    nearest = NearestRows(
        images, settings.kept(images), dtype=distances.dtype, device=distances.device
    )
    for start in range(0, images, _ROWS):
        nearest.offer(start, 0, distances[start : start + _ROWS])
    found = Reranking(nearest, images, lambda a, b: distances[a, b], settings, among=True)
    blocks = (
        found.block(start, distances[start : start + _ROWS]) for start in range(0, images, _ROWS)
    )
    return torch.cat(list(blocks))


def _row_blocks(left: Tensor, right: Tensor) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(left), _ROWS):
        rows = slice(start, start + _ROWS)
        yield start, torch.cat((left[rows], right[rows]), dim=1).abs()


def _matrix(name: str, values: Tensor | NDArray[Any]) -> Tensor:
    if not isinstance(values, Tensor | np.ndarray):
        raise TypeError(
            f"{name}: got {type(values).__name__}, wanted a torch tensor or a numpy array"
        )
    matrix = torch.as_tensor(values)
    if matrix.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name}: got {matrix.dtype}, wanted float32 or float64")
    if matrix.dim() != 2:
        raise ValueError(f"{name}: got shape {list(matrix.shape)}, wanted two dimensions")
    if not bool(torch.isfinite(matrix).all()):
        raise ValueError(f"{name}: got NaN or infinity, wanted finite distances")
    return matrix


def _check_shapes(query: Tensor, gallery: Tensor, queries: int, images: int) -> None:
    for name, matrix, size in (
        ("query_query", query, queries),
        ("gallery_gallery", gallery, images),
    ):
        if tuple(matrix.shape) != (size, size):
            raise ValueError(
                f"{name}: got shape {list(matrix.shape)}, wanted [{size}, {size}] as "
                f"query_gallery is [{queries}, {images}]"
            )


def _like(result: Tensor, wanted: Matrix) -> Matrix:
    return result if isinstance(wanted, Tensor) else result.numpy()

"""k-reciprocal re-ranking on whole matrices, image by image, in float64: the truth for the tests.

In the form in which Zhong et al. (CVPR 2017) published it: three matrices of distances in, the
distances of queries to gallery out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def dense_rerank(
    query_gallery: Matrix,
    query_query: Matrix,
    gallery_gallery: Matrix,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> Matrix:
    """Final distances ``[Q, G]``; of equal distances the lower number is the nearer."""
    queries = len(query_gallery)
    squares = np.block([[query_query, query_gallery], [query_gallery.T, gallery_gallery]]) ** 2.0
    greatest = squares.max(axis=0)
    original = (squares / np.where(greatest > 0, greatest, 1)).T
    order = np.argsort(original, axis=1, kind="stable")
    images = len(original)

    encoding = np.zeros((images, images))
    for i in range(images):
        own = reciprocal(order, i, k1)
        members = set(own)
        for candidate in own:
            its = reciprocal(order, candidate, round(k1 / 2))
            if len(its & own) > 2 / 3 * len(its):
                members |= its
        chosen = sorted(members)
        share = np.exp(-original[i, chosen])
        encoding[i, chosen] = share / share.sum() if chosen else 0
    if k2 != 1:
        encoding = np.stack([encoding[order[i, :k2]].mean(axis=0) for i in range(images)])

    final = np.empty_like(query_gallery, dtype=np.float64)
    for i in range(queries):
        shared = np.minimum(encoding[i], encoding[queries:]).sum(axis=1)
        final[i] = (1 - weight) * (1 - shared / (2 - shared)) + weight * original[i, queries:]
    return final


def reciprocal(order: NDArray[np.int64], image: int, k: int) -> set[int]:
    """The images among the k + 1 nearest of one that have it among theirs."""
    return {int(j) for j in order[image, : k + 1] if image in order[j, : k + 1]}

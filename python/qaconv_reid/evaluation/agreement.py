"""Whether a matcher will work on images that nobody has labeled: how far its matches agree.

An image and its best match by the same camera are most often two moments of one walk. A matcher
that knows the person again finds the same images of other cameras with either; one that goes by
light, background or chance does not. That share needs no label. It was chosen among some forty
such numbers for going with the mAP of virtual people and of real crops, and then tried on virtual
people that it had not been chosen on (docs/search.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEIGHBORS", "agreements", "domain_distance"]

#: Best matches by other cameras that are compared.
NEIGHBORS = 5

Floats = NDArray[np.floating]


def agreements(
    scores: Floats, cameras: NDArray[np.int64], *, neighbors: int = NEIGHBORS
) -> NDArray[np.float64]:
    """For each image, the share of its best matches by other cameras that its twin has too.

    The twin of an image is its best match by its own camera. Of equal scores the lower number is
    the better match.

    Args:
        scores: ``[N, N]``, of every image with every one, higher for more alike.
        cameras: ``[N]``, of at least two cameras.
        neighbors: best matches that are compared, fewer where the other cameras have fewer images.

    Returns:
        ``[M]`` in 0 to 1: of the images whose camera has another image, in their order.
    """
    own = cameras[:, None] == cameras
    elsewhere = np.where(own, -np.inf, scores)
    np.fill_diagonal(own, False)
    beside = np.where(own, scores, -np.inf)
    twins = beside.argmax(1)
    best = np.argsort(-elsewhere, axis=1, kind="stable")[:, :neighbors]
    shares = []
    for image in np.flatnonzero(own.any(1)):
        count = min(neighbors, int((cameras != cameras[image]).sum()))
        # An image and its twin have the same cameras to search in.
        common = np.intersect1d(best[image, :count], best[twins[image], :count])
        shares.append(len(common) / count)
    return np.array(shares, np.float64)


def domain_distance(here: Floats, there: Floats) -> float:
    """How far images lie from those of training, in the spread of those.

    Args:
        here: ``[N, C]``, the mean features of images.
        there: ``[M, C]``, those of training, at least two.

    Returns:
        The root of the mean, over channels, of the squared difference of means in standard
        deviations of training: 0 for the same, 1 for a whole deviation.
    """
    spread = np.maximum(there.std(0), 1e-12)
    return float(np.sqrt(np.mean(((here.mean(0) - there.mean(0)) / spread) ** 2)))

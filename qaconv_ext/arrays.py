"""The matcher on numpy arrays, without torch: for deployments that only score.

The same CPU kernels as `qaconv_ext.qaconv`, with threads of their own; on one machine and one
instruction set the scores have the same bits. The functions are those of `qaconv_ext.functional`,
with the same arguments, results and errors, except that all are numpy arrays: maps are float32,
float64 or float16 (numpy has no bfloat16) with any strides, weights anything numeric, and ``bias``
is a number. `qaconv_ext.qaconv.QAConv.folded` gives weights and bias.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from qaconv_ext import _checks
from qaconv_ext._nearest import Arrays, NearestMatches
from qaconv_ext._nearest import nearest_matches as nearest

try:
    import qaconv_ext._core as _core
except ImportError as error:
    raise ImportError(
        "qaconv_ext.arrays needs the compiled kernels, and they are not there: "
        "reinstall qaconv-ext with a C++ compiler"
    ) from error

__all__ = [
    "NearestMatches",
    "get_threads",
    "match_scores",
    "nearest_matches",
    "pairwise_distance",
    "set_threads",
]

Array = npt.NDArray[Any]
_DTYPES = (np.float32, np.float64, np.float16)


def set_threads(count: int) -> None:
    """Use so many threads in a call; at first as many as the machine has, or OMP_NUM_THREADS."""
    _core.set_threads(_checks.whole_number("count", count, 1))


def get_threads() -> int:
    """How many threads a call uses."""
    threads: int = _core.threads()
    return threads


def match_scores(
    probe: Array,
    gallery: Array,
    weight: Array,
    bias: float = 0.0,
    *,
    gallery_weight: Array | None = None,
) -> Array:
    """The score of every pair, ``[P, G]``: see `qaconv_ext.functional.match_scores`.

    Args:
        probe: ``[P, C, H, W]`` or ``[P, C, L]``.
        gallery: ``[G, C, H, W]`` or ``[G, C, M]``, of the same dtype.
        weight: ``[L]``, of the best matches of the probe's locations.
        bias: added to every score.
        gallery_weight: ``[M]``; None for ``weight``, where both sides have as many locations.

    Raises:
        TypeError, ValueError, MemoryError: an argument is not as described, or a result too large.
    """
    given = probe, gallery
    probe, gallery = _maps("probe", probe), _maps("gallery", gallery)
    _checks.matching(probe, gallery)
    if gallery_weight is None:
        _checks.one_weight(given[0].shape, given[1].shape)
        gallery_weight = weight
    return _within_memory(
        _core.match_scores,
        probe,
        gallery,
        _vector("weight", weight, probe.shape[2], probe),
        _vector("gallery_weight", gallery_weight, gallery.shape[2], probe),
        _vector("bias", _checks.number("bias", bias), 1, probe),
    )


def pairwise_distance(features: Array, weight: Array, bias: float = 0.0) -> Array:
    """Minus all scores of a set, ``[N, N]``: see `qaconv_ext.functional.pairwise_distance`.

    Args:
        features: ``[N, C, H, W]`` or ``[N, C, L]``.
        weight: ``[L]``, the same for either side.
        bias: added to every score.

    Raises:
        TypeError, ValueError, MemoryError: as `match_scores`.
    """
    features = _maps("features", features)
    return _within_memory(
        _core.pairwise_distance,
        features,
        _vector("weight", weight, features.shape[2], features),
        _vector("bias", _checks.number("bias", bias), 1, features),
    )


def nearest_matches(
    probe: Array,
    gallery: Array | None,
    weight: Array,
    bias: float = 0.0,
    *,
    k: int,
    gallery_weight: Array | None = None,
    block: int = 512,
) -> NearestMatches[Array]:
    """The k best matches of every probe: see `qaconv_ext.functional.nearest_matches`.

    Args:
        probe: as of `match_scores`, and so the next four.
        gallery: None is the probe again, each without itself.
        weight: ``[L]``.
        bias: added to every score.
        gallery_weight: ``[M]``, or None.
        k: how many of each.
        block: maps of either side at a time.

    Returns:
        ``scores`` and ``gallery_index``, ``[P, k]``, the best first.

    Raises:
        TypeError, ValueError, MemoryError: as `match_scores`.
    """
    _maps("probe", probe)
    if gallery is None:
        _checks.self_match(gallery_weight)
    else:
        _maps("gallery", gallery)
    columns = None if gallery is None else len(gallery)
    k, block = _checks.nearest(k, block, len(probe), columns)
    return nearest(
        _ARRAYS,
        lambda p, g: match_scores(p, g, weight, bias, gallery_weight=gallery_weight),
        lambda maps: pairwise_distance(maps, weight, bias),
        probe,
        gallery,
        k,
        block,
    )


_ARRAYS = Arrays(
    order=lambda distances: np.argsort(distances, axis=1, kind="stable"),
    take=lambda values, order: np.take_along_axis(values, order, axis=1),
    join=lambda a, b: np.concatenate((a, b), axis=1),
    stack=np.concatenate,
    numbers=lambda rows, begin, end: np.tile(np.arange(begin, end), (rows, 1)),
    is_own=lambda columns, first: columns == np.arange(first, first + len(columns))[:, None],
)


def _maps(name: str, value: Any) -> Array:
    value = _checks.instance(name, value, np.ndarray, "a numpy array")
    if value.dtype.newbyteorder("=") not in _DTYPES:
        wanted = ", ".join(np.dtype(dtype).name for dtype in _DTYPES)
        raise TypeError(f"{name}: got dtype {value.dtype}, wanted one of {wanted}")
    _checks.map_shape(name, value.shape)
    # Not -1 for the locations: numpy cannot infer them of an empty array.
    maps = value.reshape(*value.shape[:2], int(np.prod(value.shape[2:])))
    # The kernels read elements in the machine's order, at multiples of their size.
    aligned = maps.flags.aligned and maps.dtype.isnative
    strided = all(stride % maps.itemsize == 0 for stride in maps.strides)
    return maps if aligned and strided else np.ascontiguousarray(maps, maps.dtype.newbyteorder("="))


def _within_memory(run: Callable[..., Array], *args: Array) -> Array:
    try:
        return run(*args)
    except MemoryError:
        raise _checks.too_large([a.shape for a in args]) from None


def _vector(name: str, value: npt.ArrayLike, length: int, maps: Array) -> Array:
    try:
        vector = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # rows of unequal length, a tensor with a graph
        raise TypeError(f"{name}: got {_checks.shown(value)}, wanted numbers") from None
    if vector.dtype.kind not in "fiu":
        raise TypeError(f"{name}: got dtype {vector.dtype}, wanted numbers")
    _checks.length(name, vector.shape, length)
    dtype = np.float64 if maps.dtype == np.float64 else np.float32
    return np.ascontiguousarray(vector.reshape(length), dtype)


if os.environ.get("OMP_NUM_THREADS", "").isdigit() and os.environ["OMP_NUM_THREADS"] != "0":
    set_threads(int(os.environ["OMP_NUM_THREADS"]))

"""Packages that compute one direction of the maxima and sum them: measured where installed.

They know no weights and give ``Σ_s max_r S`` only. Each comes as a function of plain tensors; what
is not installed comes with the reason, so that a reader sees what was not measured.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qaconv_ext.benchmark.case import first_line
from qaconv_ext.benchmark.measure import Work

#: PyPI's name, the module's, and how many locations of a query are given at a time (None: all).
#: maxsim-cpu 0.1.0 multiplies larger matrices by a BLAS that its wheel does not bring: then its
#: scores are wrong or the process ends. The sum over locations may be made in parts, exactly.
_CPU = (("maxsim-cpu", "maxsim_cpu", 32), ("fast-maxsim", "fast_maxsim", None))


def _installed(package: str, module: str) -> str | None:
    """The package's name with its version; None where it is not there."""
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def one_direction_on_cpu(query: Tensor, maps: Tensor) -> tuple[dict[str, Work], dict[str, str]]:
    """Scores ``[1, N]`` of a map ``[1, C, L]`` with maps ``[N, C, L]``, by each package.

    Returns:
        The functions, under the packages' names; and why the others are missing.
    """
    locations = query[0].T.contiguous().numpy()  # [locations, C]
    documents = maps.transpose(1, 2).contiguous().numpy()  # [N, locations, C]
    found: dict[str, Work] = {}
    missing: dict[str, str] = {}

    def by(score: Callable[[Any, Any], Any], part: int) -> Work:
        parts = [locations[at : at + part] for at in range(0, len(locations), part)]
        return lambda: [torch.from_numpy(sum(score(p, documents) for p in parts))[None]]

    for package, module, part in _CPU:
        name = _installed(package, module)
        if name is None:
            missing[package] = "not installed"
            continue
        found[name] = by(importlib.import_module(module).maxsim_scores, part or len(locations))
    return found, missing


class _OnCuda(NamedTuple):
    """A package with Triton kernels: its functions of ``[Q, L, C]`` and ``[D, L, C]``."""

    package: str
    module: str
    forward: str
    trainable: str


_CUDA = (
    _OnCuda("flash-maxsim", "flash_maxsim", "flash_maxsim_batched", "flash_maxsim_batched_train"),
    _OnCuda("late-interaction-kernels", "late_interaction_kernels", "maxsim", "maxsim"),
)

#: Sums of every pair: ``[P, locations, C], [G, locations, C] → [P, G]``.
Sums = Callable[[Tensor, Tensor], Tensor]


def one_direction_on_cuda(*, train: bool) -> tuple[dict[str, Sums], dict[str, str]]:
    """The sums of one direction's maxima by one call of each package.

    Args:
        train: by the functions that have a gradient.

    Returns:
        The functions, under the packages' names; and why the others are missing.
    """
    found: dict[str, Sums] = {}
    missing: dict[str, str] = {}
    for peer in _CUDA:
        name = _installed(peer.package, peer.module)
        if name is None:
            missing[peer.package] = "not installed"
            continue
        try:
            module = importlib.import_module(peer.module)
            found[name] = getattr(module, peer.trainable if train else peer.forward)
        except Exception as reason:  # it may need another torch, or Triton
            missing[name] = first_line(reason)
    return found, missing


def both_directions_on_cuda(*, train: bool) -> tuple[dict[str, Sums], dict[str, str]]:
    """As `one_direction_on_cuda`, the sums of both directions' maxima by two calls."""
    found, missing = one_direction_on_cuda(train=train)

    def twice(sums: Sums) -> Sums:
        return lambda probe, gallery: sums(probe, gallery) + sums(gallery, probe).T

    return {name: twice(sums) for name, sums in found.items()}, missing

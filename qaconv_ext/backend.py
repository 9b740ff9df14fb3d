"""The choice of implementation: the compiled kernels, or the reference in plain PyTorch.

``auto``, the default, takes the kernels of the tensor's device. Where they were not compiled it
falls back on the reference, with one warning. ``cpu`` and ``cuda`` require that device's kernels;
``reference`` always takes the reference. The environment variables ``QACONV_BACKEND`` and
``QACONV_SIMD_LEVEL`` set what `set_backend` and `set_simd_level` set; ``QACONV_CUDA_VARIANT``, read
by the CUDA kernels themselves, chooses among their variants.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import torch
from torch import Tensor

from qaconv_ext import _checks, reference
from qaconv_ext._library import LIBRARY

__all__ = [
    "BackendError",
    "get_backend",
    "last_cuda_variant",
    "set_backend",
    "set_simd_level",
    "simd_levels",
]

Name = Literal["auto", "cpu", "cuda", "reference"]
NAMES: tuple[str, ...] = get_args(Name)
CUDA_VARIANTS = ("auto", "tensor", "plain")
"""What ``QACONV_CUDA_VARIANT`` may be; ``enum class Variant`` in csrc/cuda/kernels.h says more."""


class Operators(Protocol):
    """The functions that ``torch.ops.qaconv`` and `qaconv_ext.reference` both have."""

    def correlation_max(
        self, probe: Tensor, gallery: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `qaconv_ext.functional.correlation_max`."""

    def correlation_max_self(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See `qaconv_ext.functional.correlation_max_self`."""

    def match_scores(
        self,
        probe: Tensor,
        gallery: Tensor,
        probe_weight: Tensor,
        gallery_weight: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """See `qaconv_ext.functional.match_scores`."""

    def match_scores_narrow(
        self,
        probe: Tensor,
        gallery: Tensor,
        probe_weight: Tensor,
        gallery_weight: Tensor,
        bias: Tensor,
        precision: int,
    ) -> Tensor:
        """See `qaconv_ext.narrow.match_scores_narrow`."""

    def pairwise_distance(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """See `qaconv_ext.functional.pairwise_distance`."""


KERNELS = cast(Operators, torch.ops.qaconv)
REFERENCE = cast(Operators, reference)


class BackendError(RuntimeError):
    """The implementation that was asked for cannot answer this call."""


@dataclass
class _State:
    name: str
    strict: bool
    warned: bool = False


_state = _State(
    _checks.choice("QACONV_BACKEND", os.environ.get("QACONV_BACKEND", "auto"), NAMES), False
)


def set_backend(name: Name, *, strict: bool = False) -> None:
    """Choose the implementation for all following calls.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``reference``.
        strict: with ``auto``, raise `BackendError` instead of falling back on the reference.

    Raises:
        ValueError: ``name`` is none of these.
    """
    strict = _checks.truth("strict", strict)
    _state.name = _checks.choice("name", name, NAMES)
    _state.strict = strict
    _state.warned = False


def get_backend() -> str:
    """The name given to `set_backend`."""
    return _state.name


def simd_levels() -> tuple[str, ...]:
    """The instruction sets that this machine and build share, lowest first; () without kernels."""
    return tuple(torch.ops.qaconv.simd_levels().split()) if LIBRARY.loaded else ()


def simd_level() -> str:
    """The instruction set the CPU kernels use; empty without kernels."""
    return simd_levels()[torch.ops.qaconv.simd_level()] if LIBRARY.loaded else ""


def set_simd_level(name: str) -> None:
    """Make the CPU kernels use an instruction set, so that each can be tested.

    Args:
        name: one of `simd_levels`.

    Raises:
        ValueError: this machine or this build does not have it.
    """
    levels = simd_levels()
    _checks.choice("name", name, levels)
    torch.ops.qaconv.set_simd_level(levels.index(name))


def last_cuda_variant() -> str:
    """Which variant of the CUDA kernels this thread's last forward took.

    ``hopper``, ``resident`` or ``streamed``, on tensor cores, or ``plain`` (docs/kernels.md); empty
    before the first, and without kernels.
    """
    return str(torch.ops.qaconv.last_cuda_variant()) if LIBRARY.loaded else ""


def ops_for(tensor: Tensor) -> Operators:
    """The functions that answer for ``tensor``: those of ``torch.ops.qaconv`` or the reference."""
    device = tensor.device.type
    # A meta tensor has no device to run on, only shapes: the operators' fakes give them.
    if _state.name == "auto" and (LIBRARY.has_kernels_for(device) or device == "meta"):
        return KERNELS if LIBRARY.loaded else REFERENCE
    if _state.name == "reference":
        return REFERENCE
    return _without_kernels(device)


def _without_kernels(device: str) -> Operators:
    """What is left where the device has no kernels, or one device's kernels were asked for."""
    if _state.name != "auto" and device != _state.name:
        raise BackendError(f"backend {_state.name}: got a tensor on {device}")
    if LIBRARY.has_kernels_for(device):
        return KERNELS
    reason = LIBRARY.reason or f"no kernels were compiled for {device} tensors"
    if _state.name != "auto" or _state.strict:
        raise BackendError(f"{reason}; `qaconv doctor` says more")
    if not _state.warned:
        _state.warned = True
        warnings.warn(
            f"qaconv_ext: {reason}; the reference in plain PyTorch answers, many times slower and "
            "with the memory of whole correlation maps. `qaconv doctor` says more.",
            stacklevel=4,
        )
    return REFERENCE


_variant = os.environ.get("QACONV_CUDA_VARIANT")
if _variant is not None:
    _checks.choice("QACONV_CUDA_VARIANT", _variant, CUDA_VARIANTS)
if LIBRARY.loaded:
    _level = os.environ.get("QACONV_SIMD_LEVEL")
    if _level is not None:
        _checks.choice("QACONV_SIMD_LEVEL", _level, simd_levels())

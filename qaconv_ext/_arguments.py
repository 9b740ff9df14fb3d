"""Checks of public functions' arguments: each names the argument, what it got and what it wants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: The types feature maps may have, everywhere in the package.
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)

#: Positions are stored in int16 above 256 places.
MAX_PLACES = 32767


def _names(dtypes: Sequence[torch.dtype]) -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)


def feature_maps(name: str, value: object) -> Tensor:
    """``value`` as ``[N, C, places]``, from ``[N, C, places]`` or ``[N, C, h, w]``."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: got {type(value).__name__}, wanted a torch.Tensor")
    if value.dtype not in DTYPES:
        raise TypeError(f"{name}: got dtype {value.dtype}, wanted one of {_names(DTYPES)}")
    if value.dim() not in (3, 4):
        raise ValueError(
            f"{name}: got shape {list(value.shape)}, wanted [N, C, places] or [N, C, h, w]"
        )
    maps = value.flatten(2) if value.dim() == 4 else value
    if maps.shape[1] == 0 or maps.shape[2] == 0:
        raise ValueError(
            f"{name}: got shape {list(value.shape)}, wanted at least one channel and one place"
        )
    if maps.shape[2] > MAX_PLACES:
        raise ValueError(f"{name}: got {maps.shape[2]} places a map, wanted at most {MAX_PLACES}")
    return maps


def matching(probe: Tensor, gallery: Tensor) -> None:
    """That two sets of maps can be correlated: same channels, dtype and device."""
    if probe.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"gallery: got {gallery.shape[1]} channels, wanted {probe.shape[1]} as probe has"
        )
    if probe.dtype != gallery.dtype:
        raise TypeError(f"gallery: got dtype {gallery.dtype}, wanted {probe.dtype} as probe has")
    if probe.device != gallery.device:
        raise ValueError(f"gallery: got device {gallery.device}, wanted {probe.device} as probe")


def vector(name: str, value: object, length: int, like: Tensor, dtype: torch.dtype) -> Tensor:
    """``value`` as a vector of ``length`` numbers of ``dtype`` on the device of ``like``."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: got {type(value).__name__}, wanted a torch.Tensor")
    if not value.is_floating_point():
        raise TypeError(f"{name}: got dtype {value.dtype}, wanted a floating type")
    if value.numel() != length:
        raise ValueError(f"{name}: got shape {list(value.shape)}, wanted {length} numbers")
    if value.device != like.device:
        raise ValueError(f"{name}: got device {value.device}, wanted {like.device}")
    return value.reshape(length).to(dtype)

"""Checks of arguments that are tensors; the rules that arrays obey too are in `_checks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from qaconv_ext import _checks

P = ParamSpec("P")
R = TypeVar("R")

#: The types feature maps may have, everywhere in the package.
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def tensor(name: str, value: object) -> Tensor:
    """``value``, a tensor whose numbers lie in memory one by one."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: got {_checks.shown(value)}, wanted a torch.Tensor")
    if value.is_nested:
        raise TypeError(f"{name}: got a nested tensor, wanted a dense one")
    if value.layout != torch.strided:
        raise TypeError(f"{name}: got layout {value.layout}, wanted a dense tensor (torch.strided)")
    return value


def floating(name: str, value: object) -> Tensor:
    """``value``, a dense tensor of one of the types that are calculated with."""
    found = tensor(name, value)
    if found.dtype not in DTYPES:
        raise TypeError(f"{name}: got dtype {found.dtype}, wanted one of {_names_of_dtypes()}")
    return found


def _names_of_dtypes() -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)


def factory(device: object, dtype: object) -> dict[str, Any]:
    """``device`` and ``dtype`` of what a module makes, as torch's modules take them.

    Raises:
        TypeError, ValueError: one is neither None nor such a thing.
    """
    if device is not None:
        try:
            torch.device(device)  # type: ignore[call-overload]
        except (TypeError, ValueError, RuntimeError):
            shown = _checks.shown(device)
            raise ValueError(f"device: got {shown}, wanted a torch.device or its name") from None
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype in DTYPES):
        shown = str(dtype) if isinstance(dtype, torch.dtype) else _checks.shown(dtype)
        raise TypeError(f"dtype: got {shown}, wanted one of {_names_of_dtypes()} of torch")
    return {"device": device, "dtype": dtype}


def feature_maps(name: str, value: object) -> Tensor:
    """``value`` as ``[N, C, locations]``, from ``[N, C, locations]`` or ``[N, C, h, w]``."""
    maps = floating(name, value)
    _checks.map_shape(name, maps.shape)
    return maps.flatten(2) if maps.dim() == 4 else maps


def maps_of_size(name: str, value: object, sizes: Sequence[int], whose: str) -> Tensor:
    """``value`` as ``[N, *sizes]``, the channels, rows and columns that something was made for."""
    maps = floating(name, value)
    if maps.dim() != 4 or list(maps.shape[1:]) != list(sizes):
        wanted = ", ".join(map(str, sizes))
        raise ValueError(f"{name}: got shape {list(maps.shape)}, wanted [N, {wanted}] as {whose}")
    return maps


def matching(probe: Tensor, gallery: Tensor) -> None:
    """That two sets of maps can be correlated: same channels, dtype and device."""
    _checks.matching(probe, gallery)
    same_device("gallery", gallery, probe, "as probe")


def same_device(name: str, value: Tensor, like: Tensor, why: str) -> None:
    """That a tensor is where another is."""
    if value.device != like.device:
        raise ValueError(f"{name}: got device {value.device}, wanted {like.device} {why}")


def vector(name: str, value: object, length: int, like: Tensor, dtype: torch.dtype) -> Tensor:
    """``value`` as a vector of ``length`` numbers of ``dtype`` on the device of ``like``."""
    found = floating(name, value)
    _checks.length(name, found.shape, length)
    same_device(name, found, like, "as the maps")
    return found.reshape(length).to(dtype)


def bias(value: object, like: Tensor, dtype: torch.dtype) -> Tensor:
    """``value``, a number or a tensor of one, as ``[1]`` of ``dtype`` on the device of ``like``."""
    if isinstance(value, Tensor):
        return vector("bias", value, 1, like, dtype)
    return torch.full((1,), _checks.number("bias", value), dtype=dtype, device=like.device)


def scores(name: str, value: object, rows: int | None, columns: int) -> Tensor:
    """``value``, the scores ``[rows, columns]`` that a matcher gave; ``name`` is the matcher's.

    ``rows`` None: as many as it likes, for a divided batch gives those of all processes.
    """
    found = tensor(name, value)
    wanted = ["B" if rows is None else rows, columns]
    if found.dim() != 2 or found.shape[1] != columns or rows not in (None, len(found)):
        shape = ", ".join(map(str, wanted))
        raise ValueError(f"{name}: got scores of shape {list(found.shape)}, wanted [{shape}]")
    return found


def within_memory(run: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """``run(…)``; where the memory of the CPU does not hold the result, one sentence says so.

    Raises:
        MemoryError: it does not. CUDA's torch.OutOfMemoryError, a sentence, is left as it is.
    """
    try:
        return run(*args, **kwargs)
    except RuntimeError as error:
        # torch has no class for it, and its text is the stack of its C++. What is compiled against
        # 2.10 names only the operator that failed: new_empty, of sizes that were checked before.
        for sign in ("can't allocate memory", "not enough memory", "overflow", '"aten::new_empty"'):
            if sign in str(error):
                raise _checks.too_large([a.shape for a in args if isinstance(a, Tensor)]) from None
        raise

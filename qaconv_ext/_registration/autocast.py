"""The autocast rule all operators share.

On CUDA the maps are cast to the autocast type, as a matrix product's are: the type its tensor cores
take. Weights and sums stay float32. On the CPU nothing is cast: the kernels compute in
float32 whatever the storage, so a cast would lose bits and win nothing. `torch.library` has a rule
for autocast too, which casts weights as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_implementations = torch.library.Library("qaconv", "IMPL")  # type: ignore[no-untyped-call]


def _cast(value: Any, dtype: torch.dtype) -> Any:
    # float64 is left alone, as torch leaves it for its own operators.
    narrow = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if narrow and value.dtype != torch.float64 else value


def cast_maps_on_cuda(name: str, maps: int) -> None:
    """Register the rule for the operator ``name``, whose first ``maps`` arguments are maps."""
    operator: Callable[..., Any] = getattr(torch.ops.qaconv, name)

    def rule(*args: Any) -> Any:
        dtype = torch.get_autocast_dtype("cuda")
        with torch._C._ExcludeDispatchKeyGuard(
            torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCUDA)
        ):
            return operator(*(_cast(a, dtype) if i < maps else a for i, a in enumerate(args)))

    _implementations.impl(name, rule, "AutocastCUDA")  # type: ignore[no-untyped-call]

"""Reading what somebody's program saved, without running any of it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

__all__ = ["read_weight_file"]


def read_weight_file(path: Path) -> dict[str, Any]:
    """What a file of weights holds, tensors on the CPU.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote in either of its formats. Tensors,
            Python's and NumPy's numbers, text and containers of them are read; a file that names
            any other class or function is refused before it can be called.

    Raises:
        ValueError: the file is damaged, would run code, or holds no mapping with text keys.
    """
    try:
        if path.suffix == ".safetensors":
            loaded: Any = safetensors.torch.load_file(path)
        else:
            with torch.serialization.safe_globals(_NUMPY_NUMBERS):
                loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of a damaged file both libraries may raise anything
        raise ValueError(
            f"weights: got {path}, wanted a file of nothing but tensors ({_reason(error)})"
        ) from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"weights: got {path}, wanted a file with a state_dict")
    return {str(name): value for name, value in loaded.items()}


class _NumberType:
    """Stands for ``numpy.dtype`` in a pickle: a type of numbers, and nothing that holds objects."""

    def __init__(self, code: str, *_: object) -> None:
        if not re.fullmatch(r"[biuf]\d", code):
            raise pickle.UnpicklingError(f"numpy.dtype({code!r}), wanted a type of numbers")
        self.code = code

    def __setstate__(self, state: tuple[object, ...]) -> None:
        order = str(state[1])
        self.code = self.code if order == "|" else order + self.code


def _number(kind: _NumberType, data: bytes) -> bool | int | float:
    """Stands for the function with which NumPy's scalars are pickled."""
    value: bool | int | float = np.frombuffer(data, kind.code, count=1)[0].item()
    return value


#: Losses and accuracies are often saved as NumPy's scalars. Not NumPy's own functions are allowed
#: for them but these two, under the names that they have in a pickle (before NumPy 2 and since).
_NUMPY_NUMBERS: list[Any] = [
    (_NumberType, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
]


def _reason(error: Exception) -> str:
    """The one line of a message that says what was wrong; torch's own goes on with advice."""
    text = str(error).strip()
    named = re.search(
        r"(?:Unsupported (?:global|class|operand)|Trying to (?:load|call))[^\n]*", text
    )
    line = named.group(0) if named else text.partition("\n")[0]
    return line.split(" was not an allowed global")[0].rstrip(". ") or type(error).__name__

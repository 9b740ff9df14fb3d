"""Reading what somebody's program saved, without running any of it."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from qaconv_reid.text import shortened

__all__ = ["read_weight_file"]


def read_weight_file(path: Path) -> dict[str, Any]:
    """What a file of weights holds, tensors on the CPU.

    Args:
        path: of safetensors, or what ``torch.save`` wrote in either of its formats, whatever the
            file is called. Tensors, Python's and NumPy's numbers, text and containers of them are
            read; a file that names any other class or function is refused before it can be called.

    Raises:
        ValueError: the file is damaged, would run code, or holds no mapping with text keys.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    try:
        if _is_safetensors(head):
            loaded: Any = safetensors.torch.load_file(path)
        else:
            loaded = _unpickled(path)
    except OSError:
        raise
    except Exception as error:  # of a damaged file both libraries may raise anything
        reason = _what_it_is(head) or _reason(error)
        raise ValueError(
            f"weights: got {path}, wanted a file of nothing but tensors ({reason})"
        ) from None
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"weights: got {path}, wanted a file with a state_dict")
    return {str(name): value for name, value in loaded.items()}


def _unpickled(path: Path) -> Any:
    with (
        # The file and not its path: torch takes a path that ends so for one of safetensors.
        path.open("rb") as file,
        torch.serialization.safe_globals(_NUMPY_NUMBERS),
        warnings.catch_warnings(),
    ):
        # Of kinds of tensors that are refused when they are wanted.
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


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


def _is_safetensors(head: bytes) -> bool:
    """Whether a file begins as these do: the length of a header, and its brace."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 10**8


#: How files begin that are often found in the place of weights.
_OTHERS = (
    (rb"version https://git-lfs", "it is a pointer of git-LFS: git lfs pull fetches the file"),
    (rb"\s*<", "it is a web page, as a download that failed leaves it"),
    (rb"\s*\{", "it is JSON"),
    (rb"\Z", "it is empty"),
)


def _what_it_is(head: bytes) -> str | None:
    for beginning, what in _OTHERS:
        if re.match(beginning, head):
            return what
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "it is a text"
    return None


def _reason(error: Exception) -> str:
    """What was wrong, in a line; torch's own message goes on with advice to run the file."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    named = re.search(
        r"(?:Unsupported (?:global|class|operand)|Trying to (?:load|call))[^\n]*", text
    )
    if named is not None:
        line = named.group(0)
    elif isinstance(error, safetensors.SafetensorError):
        line = text.strip().partition("\n")[0]
    elif "TorchScript" in text:
        line = "it is a program of TorchScript, wanted its state_dict"
    else:  # of what is no pickle or archive: whatever the reader came upon
        line = "it is none that torch.save wrote, or it is damaged"
    line = line.split(" was not an allowed global")[0].rstrip(". ")
    return shortened(line, 200) or type(error).__name__

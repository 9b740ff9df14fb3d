"""The compiled operators: loaded once, and if not, why not."""

from __future__ import annotations

import site
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

PATH = Path(__file__).parent / "_C.so"


@dataclass(frozen=True)
class Library:
    """What was compiled. ``reason`` says why nothing is there, and is empty where something is."""

    loaded: bool
    reason: str
    version: str = ""
    compiler: str = ""
    simd: str = ""
    """The instruction sets compiled, lowest first, separated by spaces."""
    cuda: str = ""
    """The CUDA toolkit's version; empty where CUDA was left out."""
    cuda_architectures: str = ""
    debug: str = ""
    """``yes`` where the C++ was compiled without optimization, for a debugger."""

    def has_kernels_for(self, device_type: str) -> bool:
        """Whether kernels for ``cpu`` or ``cuda`` tensors were compiled."""
        return self.loaded and (device_type == "cpu" or (device_type == "cuda" and bool(self.cuda)))


def _elsewhere() -> str:
    """Where a compiled copy stands, if this one hides it: Python was started in the source tree."""
    for folder in dict.fromkeys(map(Path, [*sys.path, *site.getsitepackages()])):
        other = folder / PATH.parent.name
        if other != PATH.parent and (other / PATH.name).exists():
            return f": this copy is {PATH.parent}, a compiled one is {other}; start elsewhere"
    return ""


def _load() -> Library:
    """Load the operators into ``torch.ops.qaconv``, with their Python halves."""
    if not PATH.exists():
        return Library(
            False, f"the kernels were not compiled ({PATH.name} is missing){_elsewhere()}"
        )
    try:
        torch.ops.load_library(str(PATH))  # type: ignore[no-untyped-call]
    except OSError as error:
        return Library(False, f"{PATH.name} does not load: {error.__cause__ or error}")
    # Only now: registering a fake needs the operator to be there.
    import qaconv_ext._registration  # noqa: F401

    lines = torch.ops.qaconv.build_info().splitlines()
    return Library(True, "", **dict(line.split("=", 1) for line in lines))


# On import and not at the first call: torch.compile must find the operators registered.
LIBRARY = _load()

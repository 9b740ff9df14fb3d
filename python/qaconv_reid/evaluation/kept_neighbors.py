"""The neighbors that re-ranking has found so far, in a file that outlives the process."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qaconv_reid.evaluation.nearest import NearestRows
from qaconv_reid.files import replaced

__all__ = ["KeptNeighbors"]

#: Between two notes: at MSMT17's size a note is 24 MB.
_NOTE_SECONDS = 30.0


class KeptNeighbors:
    """A file with the nearest of every image after some steps of the search for them.

    Args:
        path: the file; replaced whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted = time.monotonic()

    def restore(self, nearest: NearestRows, steps: str) -> int:
        """Fill in what an earlier process found.

        Args:
            nearest: nothing was offered to it yet.
            steps: what the steps are, in words; a file of other ones is not used.

        Returns:
            The steps that need not be done again.
        """
        parts = _parts(nearest)
        try:
            with safe_open(self._path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["about"])
                found = {name: file.get_tensor(name) for name in parts}
        except (FileNotFoundError, SafetensorError, KeyError, ValueError):
            return 0
        if about["steps"] != steps or any(found[n].shape != parts[n].shape for n in parts):
            return 0
        for name, tensor in parts.items():
            tensor.copy_(found[name])
        return int(about["done"])

    def note(self, nearest: NearestRows, steps: str, done: int, *, last: bool) -> None:
        """That so many steps are done; written at most every half minute, and the last time."""
        if not last and time.monotonic() - self._noted < _NOTE_SECONDS:
            return
        about = {"about": json.dumps({"steps": steps, "done": done})}
        with replaced(self._path, sync=True) as temporary:
            save_file({n: t.cpu() for n, t in _parts(nearest).items()}, temporary, about)
        self._noted = time.monotonic()


def _parts(nearest: NearestRows) -> dict[str, torch.Tensor]:
    return {
        "values": nearest.values,
        "columns": nearest.columns,
        "greatest": nearest.greatest,
    }

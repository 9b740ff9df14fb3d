"""A run's state on disk: tensors as safetensors, the rest as JSON, no pickle.

A folder holds ``state.json``, which names the file of tensors it belongs to. Both are written under
another name and moved into place, ``state.json`` last: at any moment the folder holds one whole
state, and a run that is killed while writing leaves the one before.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qaconv_reid.files import replaced

__all__ = ["CheckpointError", "load", "random_state", "restore_random_state", "save"]

FORMAT = 1
STATE_FILE = "state.json"

#: Stands in JSON for a tensor of the other file.
_TENSOR = "__tensor__"


class CheckpointError(ValueError):
    """A checkpoint is not there, not whole or of another kind; the message names the file."""


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace the folder's state by another, whole.

    Args:
        folder: made if it is not there.
        state: nested dicts (with text keys), lists and tuples of tensors, numbers, text, booleans
            and None. Tuples come back as lists.

    Raises:
        TypeError: something else is among them.
        OSError: the disk refuses; the former state is still whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Tensor] = {}
    tree = _pack(state, "", found)
    tensor_file = _free_name(folder)
    with replaced(folder / tensor_file, sync=True) as path:
        save_file(found, path)
    document = {"format": FORMAT, "tensors": tensor_file, "state": tree}
    # allow_nan stays on: a loss may be NaN, and the reader is Python's.
    text = json.dumps(document)
    with replaced(folder / STATE_FILE, sync=True) as path:
        path.write_text(text, encoding="utf-8")
    for path in folder.glob("tensors-*.safetensors*"):
        if path.name != tensor_file:
            path.unlink()


def load(folder: Path) -> dict[str, Any]:
    """The folder's state, tensors on the CPU.

    Raises:
        CheckpointError: there is none, or it is not whole.
    """
    document = _document(folder)
    found = _tensor_file(folder, document)
    state: dict[str, Any] = _unpack(document["state"], found)
    return state


def random_state() -> dict[str, Any]:
    """The state of every global generator: Python's, NumPy's, torch's on the CPU and on CUDA."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), gauss],
        "numpy": {
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "rest": [int(position), int(has_gauss), float(cached)],
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Set every global generator as `random_state` found it.

    CUDA's are set where there are as many devices as there were, and left alone otherwise.
    """
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys = state["numpy"]["keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, *state["numpy"]["rest"]))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _document(folder: Path) -> dict[str, Any]:
    path = folder / STATE_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}")
    return document


def _tensor_file(folder: Path, document: Mapping[str, Any]) -> dict[str, Tensor]:
    # Only a file beside state.json: a name with folders in it would lead elsewhere.
    path = folder / Path(document["tensors"]).name
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None


def _free_name(folder: Path) -> str:
    taken = {path.name for path in folder.glob("tensors-*.safetensors")}
    number = 1
    while f"tensors-{number}.safetensors" in taken:
        number += 1
    return f"tensors-{number}.safetensors"


def _pack(value: Any, name: str, found: dict[str, Tensor]) -> Any:
    """``value`` with its tensors moved to ``found``, each replaced by its name there."""
    if isinstance(value, Tensor):
        if name in found:
            raise TypeError(f"{name}: got two tensors of this name")
        # safetensors refuses views and shared storage; a clone is neither.
        found[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == _TENSOR:
                raise TypeError(f"{name}: got the key {key!r}, wanted text")
        return {key: _pack(item, _join(name, key), found) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item, _join(name, str(i)), found) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: got {type(value).__name__}, wanted a tensor or one of JSON's types")


def _unpack(value: Any, found: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_TENSOR}:
            name = value[_TENSOR]
            if name not in found:
                raise CheckpointError(f"{name}: missing among the tensors")
            return found[name]
        return {key: _unpack(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, found) for item in value]
    return value


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part

"""A run's state on disk: tensors as safetensors, the rest as JSON, no pickle.

A folder holds ``state.json``, which names the file of tensors it belongs to. Both are written under
another name and moved into place, ``state.json`` last: at any moment the folder holds one whole
state, and a run that is killed while writing leaves the one before. Digests of both stand in
``state.json``: bytes that are no longer those that were written are found before they are used.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qaconv_reid import documents
from qaconv_reid.documents import DocumentError
from qaconv_reid.files import replaced
from qaconv_reid.text import SaidError, shortened

__all__ = ["CheckpointError", "load", "random_state", "restore_random_state", "save"]

FORMAT = 1
STATE_FILE = "state.json"

#: Times that a state is looked for anew: while it is read, a run may replace it.
_TRIES = 5

#: Stands in JSON for a tensor of the other file.
_TENSOR = "__tensor__"


class CheckpointError(SaidError):
    """A checkpoint is not there, not whole or of another kind; the message names the file."""


class _Document(BaseModel):
    """``state.json``. Those of before there were digests have none."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: int
    tensors: str
    tensors_sha256: str | None = None
    state: dict[str, Any]
    state_sha256: str | None = None


_DOCUMENT = TypeAdapter(_Document)


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
        digest = _digest_of_file(path)
    document = {
        "format": FORMAT,
        "tensors": tensor_file,
        "tensors_sha256": digest,
        "state_sha256": _digest_of_tree(tree),
        "state": tree,
    }
    # allow_nan stays on: a loss may be NaN, and the reader is Python's.
    text = json.dumps(document)
    try:
        with replaced(folder / STATE_FILE, sync=True) as path:
            path.write_text(text, encoding="utf-8")
    except OSError:
        (folder / tensor_file).unlink(missing_ok=True)  # a full disk has room for no other
        raise
    for path in folder.glob("tensors-*.safetensors*"):
        if path.name != tensor_file:
            path.unlink()


def load(folder: Path, kind: TypeAdapter[Any] | None = None) -> dict[str, Any]:
    """The folder's state, tensors on the CPU.

    Args:
        folder: as `save` wrote it.
        kind: what the state has to be (`qaconv_reid.training.saved`).

    Raises:
        CheckpointError: there is none, it is not whole, not as it was written, or of another kind.
    """
    for left in reversed(range(_TRIES)):
        document = _document(folder)
        # Only a file beside state.json: a name with folders in it would lead elsewhere.
        path = folder / Path(document.tensors).name
        try:
            found = load_file(path)
            break
        except (OSError, ValueError, SafetensorError) as error:  # ValueError: of odd names
            if left and not path.exists() and _document(folder).tensors != document.tensors:
                continue
            reason = shortened(str(error).partition("\n")[0], 200)
            raise CheckpointError(f"{path}: cannot be read: {reason}") from None
    state: dict[str, Any] = _unpack(document.state, found, folder / STATE_FILE)
    if kind is not None:
        try:
            documents.check(kind, state, str(folder / STATE_FILE))
        except DocumentError as error:
            raise CheckpointError(*error.args) from None
    _check_digest(path, document.tensors_sha256, _digest_of_file(path))
    _check_digest(folder / STATE_FILE, document.state_sha256, _digest_of_tree(document.state))
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


def _document(folder: Path) -> _Document:
    path = folder / STATE_FILE
    try:
        read = documents.read(path, f"a checkpoint of format {FORMAT}")
        if not isinstance(read, dict) or read.get("format") != FORMAT:
            raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}")
        return documents.check(_DOCUMENT, read, str(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint") from None
    except DocumentError as error:
        raise CheckpointError(*error.args) from None


def _check_digest(path: Path, written: str | None, now: str) -> None:
    if written is not None and written != now:
        raise CheckpointError(
            f"{path}: got other bytes than were written (by their checksum), wanted those of a "
            "checkpoint; the disk or a copy has changed them"
        )


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_tree(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree).encode()).hexdigest()


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


def _unpack(value: Any, found: Mapping[str, Tensor], file: Path) -> Any:
    if isinstance(value, dict):
        if set(value) == {_TENSOR}:
            name = value[_TENSOR]
            if not isinstance(name, str) or name not in found:
                raise CheckpointError(f"{file}: {name}: missing among the tensors")
            return found[name]
        return {key: _unpack(item, found, file) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, found, file) for item in value]
    return value


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part

"""What an evaluation has finished, kept until all of it is: an interrupted one goes on from there.

A data set's maps and scores lie in a folder of their own, whose name is a fingerprint of the
weights, of the images (paths, sizes, times of change) and of the settings that maps depend on.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor, nn

from qaconv_ext import __version__
from qaconv_reid.data import DECODING, Record, ReidDataset
from qaconv_reid.evaluation.kept_neighbors import KeptNeighbors
from qaconv_reid.evaluation.row_file import RowFile, rows_done

__all__ = ["SetWork", "Work"]

_LOCK = "lock"


class SetWork:
    """The finished maps and scores of one data set, and re-ranking's neighbors.

    Args:
        folder: where they lie; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def done(self, what: str) -> int:
        """How many rows of ``query``, ``gallery`` (maps) or ``scores`` are finished."""
        return rows_done(self._path(what))

    def rows(self, what: str, rows: int, shape: Sequence[int], dtype: torch.dtype) -> RowFile:
        """The array of that name, as far as it is finished."""
        return RowFile(self._path(what), rows, shape, dtype)

    def neighbors(self) -> KeptNeighbors:
        """What is found of re-ranking's neighbors."""
        return KeptNeighbors(self._folder / "neighbors.safetensors")

    def _path(self, what: str) -> Path:
        return self._folder / f"{what}.rows"


class Work:
    """The work of evaluations with some weights, below one folder.

    What lies there of other weights is removed. Two processes never use the same data set's work.

    Args:
        folder: for all of it; made when a data set is asked for.
        models: whose weights count: the network and the matcher.
        settings: what maps and scores depend on beside weights and images.
    """

    def __init__(self, folder: Path, models: Sequence[nn.Module], **settings: object) -> None:
        self._folder = folder
        self._weights = _weights_print(models)
        self._settings = f"{DECODING} {sorted(settings.items())!r}"
        self._held: dict[Path, tuple[TextIO, SetWork]] = {}
        self._forget(of_these_weights=False)

    def of(self, dataset: ReidDataset) -> SetWork | None:
        """What is finished of a data set; None while another process is at it."""
        path = self._folder / f"{self._weights}-{_images_print(dataset, self._settings)}"
        if path not in self._held:
            path.mkdir(parents=True, exist_ok=True)
            lock = _locked(path)
            if lock is None:
                return None
            self._held[path] = lock, SetWork(path)
        return self._held[path][1]

    def forget(self) -> None:
        """Remove what earlier evaluations left, but for what another process is at."""
        self._forget(of_these_weights=True)

    def finish(self) -> None:
        """Remove what was asked for: all is evaluated."""
        for path, (lock, _) in self._held.items():
            shutil.rmtree(path)
            lock.close()
        self._held.clear()
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _forget(self, *, of_these_weights: bool) -> None:
        for path in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            if path.name.startswith(self._weights) and not of_these_weights:
                continue
            lock = _locked(path)
            if lock is not None:
                shutil.rmtree(path)
                lock.close()


def _locked(path: Path) -> TextIO | None:
    """The folder's lock, which falls with the process; None where another has it."""
    lock = (path / _LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _weights_print(models: Sequence[nn.Module]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for model in models:
        for name, value in model.state_dict().items():
            digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
            digest.update(_bytes(value))
    return digest.hexdigest()[:16]


def _bytes(value: Tensor) -> memoryview:
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _images_print(dataset: ReidDataset, settings: str) -> str:
    digest = hashlib.sha256(settings.encode())
    for part in (dataset.query, dataset.gallery):
        for line in _image_lines(part):
            digest.update(line.encode("utf-8", "surrogateescape"))
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _image_lines(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        about = record.path.stat()
        yield (f"{record.path.resolve()}\n{about.st_size} {about.st_mtime_ns} {record.variant}\n")

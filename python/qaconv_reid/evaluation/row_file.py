"""An array in a file that is filled from its first row on and outlives the process that does so."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qaconv_reid.files import replaced

__all__ = ["RowFile", "rows_done"]


class RowFile:
    """Rows of one shape and type, memory-mapped, and how many of them are finished.

    The number stands in a file of its own, which is replaced after the rows are on the disk: a
    process that is killed while it writes loses what it had not noted, and nothing else.

    Args:
        path: the file; one of another length is begun anew.
        rows: of the whole array, at least one.
        shape: of a row; no dimension is 0.
        dtype: ``torch.float32`` or ``torch.float16``.

    Raises:
        OSError: the disk has no room for all rows, or the file cannot be written.
    """

    def __init__(self, path: Path, rows: int, shape: Sequence[int], dtype: torch.dtype) -> None:
        kind = np.dtype(np.float16 if dtype == torch.float16 else np.float32)
        self._path = path
        length = rows * int(np.prod(shape)) * kind.itemsize
        if not path.is_file() or path.stat().st_size != length:
            _done_file(path).unlink(missing_ok=True)
            _reserve(path, length)
        self._array = np.memmap(path, kind, "r+", shape=(rows, *shape))
        self.rows: Tensor = torch.from_numpy(self._array)
        """``[rows, *shape]``; to be written to from `done` on."""
        self.done = min(rows_done(path), rows)
        """Rows that are finished."""

    def note(self, done: int) -> None:
        """That the first ``done`` rows are written."""
        self._array.flush()
        with replaced(_done_file(self._path), sync=True) as temporary:
            temporary.write_text(str(done), encoding="ascii")
        self.done = done


def rows_done(path: Path) -> int:
    """How many rows of the file at ``path`` are finished; 0 where there is none."""
    try:
        return int(_done_file(path).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0


def _done_file(path: Path) -> Path:
    return path.with_suffix(".done")


def _reserve(path: Path, length: int) -> None:
    """Take the room now: a disk that fills up under a memory map ends the process."""
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, length)
        except OSError as error:
            path.unlink()
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC, f"got a full disk, wanted {length / 2**30:.1f} GiB", str(path)
            ) from None

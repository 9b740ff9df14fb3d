"""The scores of all pairs, matched once and read again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from qaconv_reid.evaluation.row_file import RowFile

__all__ = ["KeptScores", "StoredScores"]

#: Bytes that are held in memory; more go to a file in the folder for temporary files.
_MOST_IN_MEMORY = 1 << 28


class StoredScores:
    """Blocks of rows of float32, kept as they pass.

        with StoredScores(gallery) as stored:
            measure(stored.keeping(blocks))
            measure_again(stored)

    Args:
        columns: of every block.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)  # noqa: SIM115
        self._rows: list[int] = []
        self._device = torch.device("cpu")

    done = 0
    """Rows that an earlier process finished."""

    def keeping(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """The blocks themselves, each written down first."""
        for block in blocks:
            self._file.seek(4 * self.columns * sum(self._rows))
            self._file.write(np.ascontiguousarray(block.float().cpu().numpy()).data)
            self._rows.append(len(block))
            self._device = block.device
            yield block

    def __iter__(self) -> Iterator[Tensor]:
        """The blocks again, float32, where they were; each is a new tensor."""
        start = 0
        for rows in self._rows:
            self._file.seek(4 * self.columns * start)
            data = bytearray(self._file.read(4 * self.columns * rows))
            block = torch.frombuffer(data, dtype=torch.float32) if data else torch.empty(0)
            yield block.view(rows, self.columns).to(self._device)
            start += rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class KeptScores:
    """As `StoredScores`, in a file that outlives the process.

    Args:
        file: of ``[columns]`` rows of float32.
        block: rows that are read at a time.
        device: where the blocks are wanted.
    """

    def __init__(self, file: RowFile, block: int, device: str | torch.device) -> None:
        self._file = file
        self._block = block
        self._device = torch.device(device)
        self.done = file.done
        """Rows that an earlier process finished."""

    def keeping(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """The finished blocks, then those given, of the rows after them, each kept first."""
        yield from self
        for block in blocks:
            end = self._file.done + len(block)
            self._file.rows[self._file.done : end] = block.float().cpu()
            self._file.note(end)
            yield block

    def __iter__(self) -> Iterator[Tensor]:
        """The blocks that are finished, float32; each is a new tensor."""
        for rows in torch.split(self._file.rows[: self._file.done], self._block):
            yield rows.to(self._device, copy=True)

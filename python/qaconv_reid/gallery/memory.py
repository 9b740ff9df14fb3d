"""Rows in memory, and in one safetensors file that is replaced whole: for small galleries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from qaconv_reid.files import replaced
from qaconv_reid.gallery.table import Candidates, GalleryError, Key, Maker, Numbers, Row

__all__ = ["MemoryTable"]

#: A file is written again when so many rows, and so great a share of it, are new.
_FEW = 256
_SHARE = 0.25


class MemoryTable:
    """A `Table` in memory.

    Args:
        maker: the model of a new one.
        path: the file it is kept in; None keeps it nowhere.
    """

    def __init__(self, maker: Maker, path: Path | None = None) -> None:
        self.maker = maker
        self.place = "gallery in memory" if path is None else str(path)
        self._path = path
        self._rows: dict[int, Row] = {}
        self._numbers: Numbers = np.empty(0, np.int64)
        self._maps: list[Tensor] = [torch.empty((0, *maker.shape), dtype=torch.float16)]
        self._vectors: list[Tensor] = []
        self._next = 0
        self._unwritten = 0
        self._version = 0

    @classmethod
    def open(cls, path: Path) -> MemoryTable:
        """Read a file.

        Raises:
            GalleryError: it is no gallery.
        """
        try:
            with safe_open(path, "pt") as file:
                kept, names = file.metadata() or {}, list(file.keys())
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            raise GalleryError(f"{path}: cannot be read as a gallery: {error}") from None
        table = cls(Maker.loads(kept.get("maker"), str(path)), path)
        rows = [_row(*entry) for entry in json.loads(kept["rows"])]
        table._numbers = tensors["numbers"].numpy()
        table._rows = dict(zip(table._numbers.tolist(), rows, strict=True))
        table._maps, table._vectors = [tensors["maps"]], [tensors["vectors"].to(torch.int16)]
        table._next, table._version = int(kept["next"]), int(kept["version"])
        return table

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    def refresh(self) -> None:
        """Nothing: what lies in memory is the newest."""

    def keys(self) -> set[Key]:
        """Of all rows."""
        return {row.key for row in self._rows.values()}

    def append(self, rows: Sequence[Row], maps: Tensor, vectors: Tensor) -> None:
        """Add rows; the file is written now and then (`flush` always writes it)."""
        numbers = np.arange(self._next, self._next + len(rows), dtype=np.int64)
        self._rows.update(zip(numbers.tolist(), rows, strict=True))
        self._numbers = np.concatenate([self._numbers, numbers])
        self._maps.append(maps)
        self._vectors.append(vectors)
        self._next += len(rows)
        self._changed(len(rows))
        if self._unwritten >= max(_FEW, _SHARE * len(self)):
            self.flush()

    def flush(self) -> None:
        """Write the file, where there is one and something is new."""
        if self._path is None or not self._unwritten:
            return
        self._join()
        metadata = {
            "maker": self.maker.dumps(),
            "rows": json.dumps([astuple(self._rows[n]) for n in self._numbers.tolist()]),
            "next": str(self._next),
            "version": str(self._version),
        }
        tensors = {
            "numbers": torch.from_numpy(self._numbers),
            "maps": self._maps[0],
            "vectors": self._vectors[0],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self._path, sync=True) as temporary:
            save_file(tensors, temporary, metadata)
        self._unwritten = 0

    def numbers(self, where: str | None = None) -> Numbers:
        """Of the rows of a condition, ascending."""
        if where is None:
            return self._numbers
        return np.asarray(self._matching(where), np.int64)

    def candidates(self, where: str | None = None) -> Candidates:
        """The same with their vectors."""
        numbers = self.numbers(where)
        self._join()
        return Candidates(numbers, self._vectors[0][self._positions(numbers)])

    def maps(self, numbers: Numbers) -> Tensor:
        """``[N, C, h, w]`` float16 of those rows, in that order."""
        self._join()
        return self._maps[0][self._positions(numbers)]

    def rows(self, numbers: Numbers) -> list[Row]:
        """Those rows, in that order."""
        return [self._rows[number] for number in numbers.tolist()]

    def remove(self, where: str) -> int:
        """Remove the rows of a condition; how many they were."""
        gone = self.numbers(where)
        kept = np.setdiff1d(self._numbers, gone, assume_unique=True)
        self._join()
        positions = self._positions(kept)
        self._maps, self._vectors = [self._maps[0][positions]], [self._vectors[0][positions]]
        self._numbers = kept
        for number in gone.tolist():
            del self._rows[number]
        self._changed(len(gone))
        self.flush()
        return len(gone)

    def _changed(self, rows: int) -> None:
        self._unwritten += rows
        self._version += 1

    def _join(self) -> None:
        """One tensor of each, copied only where rows have come since."""
        if len(self._maps) > 1:
            self._maps = [torch.cat(self._maps)]
        if len(self._vectors) != 1:
            empty = torch.empty((0, 0), dtype=torch.int16)
            self._vectors = [torch.cat(self._vectors) if self._vectors else empty]

    def _positions(self, numbers: Numbers) -> Tensor:
        return torch.from_numpy(np.searchsorted(self._numbers, numbers))

    def _matching(self, where: str) -> list[int]:
        """By SQLite, whose conditions are those of the tables of Lance as far as rows go."""
        database = sqlite3.connect(":memory:")
        try:
            database.execute(
                "CREATE TABLE rows (number INTEGER, path TEXT, identity TEXT, camera INTEGER, "
                "time REAL)"
            )
            database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
                ((n, r.path, r.identity, r.camera, r.time) for n, r in self._rows.items()),
            )
            found = database.execute(f"SELECT number FROM rows WHERE ({where}) ORDER BY number")
            return [number for (number,) in found]
        except sqlite3.Error as error:
            raise GalleryError(
                f"where: got {where!r}, wanted a condition on path, identity, camera, time or "
                f"number: {error}"
            ) from None
        finally:
            database.close()


def _row(
    path: str,
    identity: str | None,
    camera: int | None,
    time: float | None,
    box: Sequence[int] | None,
) -> Row:
    """JSON knows no tuples."""
    if box is None:
        return Row(path, identity, camera, time)
    left, top, width, height = box
    return Row(path, identity, camera, time, (left, top, width, height))

"""Rows in a table of Lance, on a disk or in an object store: the extra ``search``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from qaconv_reid.gallery.table import Candidates, GalleryError, Key, Maker, Numbers, Row

__all__ = ["LanceTable"]

_SOURCE = re.compile(r",? \S+\.rs:\d+(:\d+)?")
_MAKER = b"qaconv.maker"
_FACTS = ("path", "identity", "camera", "time", "box")
#: Reading takes ten rows where no limit is named.
_ALL = 2**31 - 1


class LanceTable:
    """A `Table` in ``<folder>/<name>.lance``.

    Every `append` and `remove` makes a version, whole or not at all; who reads sees one of them.

    Args:
        table: an open one.
        place: for messages.
    """

    def __init__(self, table: Any, place: str) -> None:
        self._table = table
        self.place = place
        kept = (table.schema.metadata or {}).get(_MAKER)
        self.maker = Maker.loads(None if kept is None else kept.decode(), place)
        self._held = Candidates(np.empty(0, np.int64), torch.empty((0, 0), dtype=torch.int16))
        self._all: tuple[int, Numbers] = -1, np.empty(0, np.int64)
        newest = self.numbers()
        self._next = int(newest[-1]) + 1 if len(newest) else 0

    @classmethod
    def open(cls, folder: str, name: str) -> LanceTable | None:
        """A table that is there; None where there is none."""
        place = f"{folder}/{name}.lance"
        try:
            database = lancedb.connect(folder)
            if name not in _names(database):
                return None
            return cls(database.open_table(name), place)
        except GalleryError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise GalleryError(f"{place}: cannot be read as a gallery: {_line(error)}") from None

    @classmethod
    def create(cls, folder: str, name: str, maker: Maker, vector_length: int) -> LanceTable:
        """A new, empty one."""
        channels, rows, columns = maker.shape
        schema = pa.schema(
            [
                ("number", pa.int64()),
                ("path", pa.string()),
                ("identity", pa.string()),
                ("camera", pa.int64()),
                ("time", pa.float64()),
                ("box", pa.list_(pa.int32())),
                ("vector", pa.list_(pa.float16(), vector_length)),
                ("map", pa.list_(pa.float16(), channels * rows * columns)),
            ],
            metadata={_MAKER: maker.dumps().encode()},
        )
        place = f"{folder}/{name}.lance"
        try:
            table = lancedb.connect(folder).create_table(name, schema=schema)
        except (OSError, RuntimeError, ValueError) as error:
            raise GalleryError(f"{place}: cannot be made: {_line(error)}") from None
        return cls(table, place)

    def __len__(self) -> int:
        return int(self._table.count_rows())

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return int(self._table.version)

    def refresh(self) -> None:
        """See what others have written."""
        self._table.checkout_latest()

    def keys(self) -> set[Key]:
        """Of all rows."""
        return {_row(entry).key for entry in self._read(("path", "box")).to_pylist()}

    def append(self, rows: Sequence[Row], maps: Tensor, vectors: Tensor) -> None:
        """Add rows: one version, on the disk when this returns."""
        schema = self._table.schema
        columns = [
            pa.array(np.arange(self._next, self._next + len(rows))),
            *(
                pa.array([getattr(row, name) for row in rows], schema.field(name).type)
                for name in _FACTS
            ),
            *(
                pa.FixedSizeListArray.from_arrays(
                    pa.array(values.flatten().numpy()), type=schema.field(name).type
                )
                for name, values in (("vector", vectors.to(torch.float16)), ("map", maps))
            ),
        ]
        self._table.add(pa.Table.from_arrays(columns, schema=schema))
        self._next += len(rows)

    def flush(self) -> None:
        """Nothing: every `append` lies on the disk already."""

    def numbers(self, where: str | None = None) -> Numbers:
        """Of the rows of a condition, ascending."""
        if where is None and self._all[0] == self.version:
            return self._all[1]
        found: Numbers = np.sort(self._read(("number",), where)["number"].to_numpy())
        if where is None:
            self._all = self.version, found
        return found

    def candidates(self, where: str | None = None) -> Candidates:
        """The same with their vectors, which are read once and held: 2·D bytes a row."""
        numbers = self.numbers(where)
        held, vectors = self._held
        # A number is given once and its row never changes: only later ones can be missing.
        last = int(held[-1]) if len(held) else -1
        if len(numbers) and int(numbers[-1]) > last:
            found = self._read(("number", "vector"), f"number > {last}")
            new = np.sort(found["number"].to_numpy())
            later = _tensor(found["vector"], _places(found, new)).to(torch.int16)
            self._held = held, vectors = Candidates(
                np.concatenate([held, new]), torch.cat([vectors, later]) if len(held) else later
            )
        if len(numbers) == len(held):
            return self._held
        return Candidates(numbers, vectors[torch.from_numpy(np.searchsorted(held, numbers))])

    def maps(self, numbers: Numbers) -> Tensor:
        """``[N, C, h, w]`` float16 of those rows, in that order."""
        found = self._read(("number", "map"), _among(numbers))
        return _tensor(found["map"], _places(found, numbers)).reshape(-1, *self.maker.shape)

    def rows(self, numbers: Numbers) -> list[Row]:
        """Those rows, in that order."""
        found = self._read(("number", *_FACTS), _among(numbers))
        entries = found.to_pylist()
        return [_row(entries[place]) for place in _places(found, numbers).tolist()]

    def remove(self, where: str) -> int:
        """Remove the rows of a condition; how many they were."""
        gone = len(self.numbers(where))
        if gone:
            self._table.delete(where)
        return gone

    def _read(self, columns: Sequence[str], where: str | None = None) -> Any:
        query = self._table.search().select(list(columns)).limit(_ALL)
        try:
            return (query if where is None else query.where(where)).to_arrow()
        except (ValueError, RuntimeError, OSError) as error:
            if where is None:
                raise GalleryError(f"{self.place}: cannot be read: {_line(error)}") from None
            raise GalleryError(
                f"where: got {where!r}, wanted a condition on path, identity, camera, time or "
                f"number: {_line(error)}"
            ) from None


def _names(database: Any) -> list[str]:
    """The tables of a folder, however many."""
    page = database.list_tables(limit=100)
    found = list(page.tables)
    while page.page_token:
        page = database.list_tables(limit=100, page_token=page.page_token)
        found += page.tables
    return found


def _among(numbers: Numbers) -> str:
    first, last = int(numbers.min(initial=0)), int(numbers.max(initial=-1))
    if last - first + 1 == len(numbers):
        return f"number BETWEEN {first} AND {last}"
    return f"number IN ({', '.join(map(str, numbers.tolist()))})"


def _places(found: Any, numbers: Numbers) -> Tensor:
    """Where each of ``numbers`` lies in what was read."""
    there = found["number"].to_numpy()
    if len(there) != len(numbers):
        raise GalleryError("gallery: some rows were removed while they were read: search again")
    order = np.argsort(there)
    return torch.from_numpy(order[np.searchsorted(there, numbers, sorter=order)])


def _tensor(column: Any, places: Tensor) -> Tensor:
    """``[N, length]`` float16: the entries of a column in another order, copied once."""
    found = torch.empty((len(places), column.type.list_size), dtype=torch.float16)
    rows = found.numpy()
    wanted = np.empty(len(column), np.int64)
    wanted[places.numpy()] = np.arange(len(places))
    start = 0
    for part in column.chunks:
        values = part.flatten().to_numpy(zero_copy_only=False).reshape(len(part), -1)
        rows[wanted[start : start + len(part)]] = values
        start += len(part)
    return found


def _row(entry: dict[str, Any]) -> Row:
    box = entry.get("box")
    facts = {name: entry.get(name) for name in _FACTS if name != "box"}
    return Row(**facts, box=None if box is None else tuple(box))  # type: ignore[arg-type]


def _line(error: Exception) -> str:
    """What it says, without the line of Lance's source that says it."""
    return _SOURCE.sub("", str(error).partition("\n")[0])

"""Where images are kept while they are drawn: in a folder, or in one ZIP file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from qaconv_reid.files import replaced
from qaconv_reid.packed import salvaged, written

__all__ = ["Folder", "OneFile", "Store"]


class Store(Protocol):
    """Files by their names; what a killed process has stored is there for the next."""

    def make_folders(self, names: Iterable[PurePosixPath]) -> None:
        """Folders that a reader of the data set expects, though they may stay empty."""

    def has(self, name: PurePosixPath) -> bool:
        """Whether it is stored already."""

    def write(self, name: PurePosixPath, data: bytes) -> None:
        """Store a file."""

    def read(self, name: PurePosixPath) -> bytes:
        """One that is stored."""

    def close(self) -> None:
        """After the last file."""


class Folder:
    """Files of their own."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def make_folders(self, names: Iterable[PurePosixPath]) -> None:
        """As `Store` says."""
        for name in names:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def has(self, name: PurePosixPath) -> bool:
        """As `Store` says."""
        return (self._root / name).exists()

    def write(self, name: PurePosixPath, data: bytes) -> None:
        """As `Store` says: whole, or not at all."""
        with replaced(self._root / name) as temporary:
            temporary.write_bytes(data)

    def read(self, name: PurePosixPath) -> bytes:
        """As `Store` says."""
        return (self._root / name).read_bytes()

    def close(self) -> None:
        """As `Store` says."""


class OneFile:
    """A ZIP file, whose list of contents is written last.

    Until then it can be read by going through it: a new one begins with what is whole of the old.
    """

    def __init__(self, path: Path) -> None:
        old = path.with_name(f"old-{path.name}")
        # One that is there already was not copied to its end: it has all that the other has.
        if path.exists() and not old.exists():
            path.replace(old)
        self._names: set[str] = set()
        # Read and written.
        self._file = path.open("w+b")
        self._zip = zipfile.ZipFile(self._file, "w")
        if old.exists():
            for name, data in salvaged(old):
                self._add(name, data)
            self._file.flush()
            old.unlink()

    def _add(self, name: str, data: bytes) -> None:
        if name not in self._names:
            written(self._zip, name, data)
            self._names.add(name)

    def make_folders(self, names: Iterable[PurePosixPath]) -> None:
        """As `Store` says."""
        for name in names:
            self._add(f"{name}/", b"")

    def has(self, name: PurePosixPath) -> bool:
        """As `Store` says."""
        return str(name) in self._names

    def write(self, name: PurePosixPath, data: bytes) -> None:
        """As `Store` says."""
        self._add(str(name), data)

    def read(self, name: PurePosixPath) -> bytes:
        """As `Store` says."""
        return self._zip.read(str(name))

    def close(self) -> None:
        """As `Store` says."""
        self._zip.close()
        self._file.close()

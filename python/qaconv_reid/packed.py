"""Data sets that lie in one ZIP file: read as if it were a folder, and written image by image.

On a network's disk a hundred thousand small files take much longer than one large one.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Protocol

if sys.platform == "win32":  # pragma: no cover
    from pathlib import WindowsPath as _Path
else:
    from pathlib import PosixPath as _Path

__all__ = [
    "Entry",
    "PackedPath",
    "is_folder",
    "is_there",
    "listed",
    "located",
    "salvaged",
    "walk",
    "written",
]

_ENDING = ".zip"
#: The fixed part of the header before each file, and where in it the lengths of what follows are.
_HEADER = struct.Struct("<4sHHHHHLLLHH")
_SIGNATURE = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in the archive."""

    offset: int
    """Of its header."""
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes of the file itself."""
    method: int
    time: float


@dataclass(frozen=True, slots=True)
class _Archive:
    """What is in a ZIP file."""

    path: str
    about: os.stat_result
    files: dict[str, _Entry] = field(default_factory=dict)
    folders: dict[str, dict[str, None]] = field(default_factory=lambda: {"": {}})
    """The names in each folder, in the order of the archive."""

    def read(self, name: str) -> bytes:
        entry = self.files[name]
        # A file of its own for each reading: threads and forked processes do not move each other.
        with open(self.path, "rb") as file:
            file.seek(entry.offset)
            header = _HEADER.unpack(file.read(_HEADER.size))
            file.seek(header[9] + header[10], os.SEEK_CUR)
            data = file.read(entry.packed)
        if entry.method == zipfile.ZIP_DEFLATED:
            try:
                # No more than it says: a few bytes can stand for very many.
                unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
                data = unpacked.decompress(data, entry.size + 1)
            except zlib.error as error:
                raise OSError(f"broken in {self.path} ({error})") from None
        if len(data) != entry.size:
            raise OSError(f"cut off in {self.path}")
        return data


def _archive(path: str) -> _Archive:
    """Raises OSError where it is none, or has what cannot be read."""
    about = os.stat(path)
    return _read_archive(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_archive(path: str, size: int, time: int) -> _Archive:
    # Size and time are there for the cache: another file of this name is read anew.
    archive = _Archive(path, os.stat(path))
    try:
        with zipfile.ZipFile(path) as file:
            infos = file.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise OSError(f"{path}: no whole ZIP file ({error})") from None
    for info in infos:
        parts = [part for part in info.filename.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            continue
        if not info.is_dir():
            if info.flag_bits & 1 or info.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):
                raise OSError(f"{path}: {info.filename} is encrypted, or packed in a rare way")
            archive.files["/".join(parts)] = _Entry(
                info.header_offset,
                info.compress_size,
                info.file_size,
                info.compress_type,
                _seconds(info),
            )
        for depth in range(len(parts)):
            folder = "/".join(parts[:depth])
            archive.folders.setdefault(folder, {})[parts[depth]] = None
        if info.is_dir():
            archive.folders.setdefault("/".join(parts), {})
    return archive


def _seconds(info: zipfile.ZipInfo) -> float:
    year, month, day, hour, minute, second = info.date_time
    # Of no time zone: only told apart, never shown.
    return ((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60.0 + second


def _within(folder: str) -> str | None:
    """The ZIP file that a path is, or lies in; None for none."""
    path = folder
    while True:
        if path.lower().endswith(_ENDING) and os.path.isfile(path):
            return path
        above = os.path.dirname(path)
        if above == path or not above:
            return None
        path = above


def located(path: Path) -> Path:
    """The path itself, or a `PackedPath` where it is a ZIP file or leads into one."""
    if isinstance(path, PackedPath) or _within(str(path)) is None:
        return path
    return PackedPath(path)


class PackedPath(_Path):
    """A path into a ZIP file, with what reading a data set takes: other methods see no such file.

    Stored and deflated files are read; `open` gives the whole file from memory. What it raises
    names the path, as the methods of other paths.
    """

    def _found(self) -> tuple[_Archive, str]:
        archive = _within(str(self))
        if archive is None:
            raise FileNotFoundError(2, "No such file or directory", str(self))
        name = str(self)[len(archive) :].replace(os.sep, "/").strip("/")
        return _archive(archive), name

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Its own size and time; device and inode tell it from all other files."""
        archive, name = self._found()
        entry, about = archive.files.get(name), archive.about
        device = hash((about.st_dev, about.st_ino)) & 0x7FFFFFFF
        if entry is not None:
            mode, inode, size, time = stat.S_IFREG | 0o444, entry.offset, entry.size, entry.time
        elif name in archive.folders:
            mode, inode, size, time = stat.S_IFDIR | 0o555, -1, 0, about.st_mtime
        else:
            raise FileNotFoundError(2, "No such file or directory", str(self))
        # Another archive of this name has other times.
        time += about.st_mtime_ns % 10**9 / 1e9
        return os.stat_result((mode, inode, device, 1, 0, 0, size, time, time, time))

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether the archive has it."""
        return self.is_file() or self.is_dir()

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file in the archive."""
        archive, name = self._found()
        return name in archive.files

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is the archive itself or a folder in it."""
        archive, name = self._found()
        return name in archive.folders

    def iterdir(self) -> Generator[PackedPath, None, None]:
        """What lies in it, in the order of the archive."""
        archive, name = self._found()
        if name not in archive.folders:
            raise FileNotFoundError(2, "No such file or directory", str(self))

        def below() -> Generator[PackedPath, None, None]:
            yield from (self / child for child in archive.folders[name])

        return below()

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """The file, read as a whole; it cannot be written to."""
        if set(mode) - set("rbt"):
            raise PermissionError(13, "An archive is only read", str(self))
        archive, name = self._found()
        if name not in archive.files:
            raise FileNotFoundError(2, "No such file or directory", str(self))
        try:
            data = io.BytesIO(archive.read(name))
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self)) from None
        return data if "b" in mode else io.TextIOWrapper(data, encoding, errors, newline)

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self.open("rb") as file:
            data: bytes = file.read()
        return data


class Entry(Protocol):
    """What lies in a folder; what it is costs a look at the disk where it is a link."""

    @property
    def name(self) -> str:
        """Within its folder."""

    def is_dir(self) -> bool:
        """Whether it is a folder itself."""

    def is_file(self) -> bool:
        """Whether it is a file."""


def listed(folder: Path) -> Iterator[Entry]:
    """What lies in a folder, be it in an archive; in no order."""
    if isinstance(folder, PackedPath):
        yield from folder.iterdir()
        return
    with os.scandir(folder) as entries:
        yield from entries


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk` from the top, which sees no archive."""
    if not isinstance(root, PackedPath):
        yield from ((Path(place), folders, names) for place, folders, names in os.walk(root))
        return
    folders: list[str] = []
    names: list[str] = []
    for entry in listed(root):
        (folders if entry.is_dir() else names).append(entry.name)
    yield root, folders, names
    for name in folders:
        yield from walk(root / name)


def is_there(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    return path.is_file() if isinstance(path, PackedPath) else os.path.isfile(path)


def is_folder(path: Path) -> bool:
    """Whether it is a folder; a name that none can have is none."""
    return path.is_dir() if isinstance(path, PackedPath) else os.path.isdir(path)


def written(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file, as it is: images do not shrink. The same bytes whenever it is done."""
    info = zipfile.ZipInfo(name)  # of 1980
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    file.writestr(info, data)


def salvaged(path: Path) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of what `written` added to an archive that was never closed.

    Up to where it was cut off; what is broken there is not told.
    """
    with path.open("rb") as file:
        while True:
            fixed = file.read(_HEADER.size)
            if len(fixed) < _HEADER.size or not fixed.startswith(_SIGNATURE):
                return
            _, _, flags, method, _, _, checksum, packed, size, names, extra = _HEADER.unpack(fixed)
            name = file.read(names).decode()
            file.seek(extra, os.SEEK_CUR)
            data = file.read(packed)
            if flags & 8 or method != zipfile.ZIP_STORED or len(data) != size:
                return
            if zlib.crc32(data) != checksum:
                return
            yield name, data

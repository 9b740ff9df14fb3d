"""What lies behind records: whether each file can be read, and which files are one image."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from qaconv_reid.data.decoding import check_file
from qaconv_reid.data.records import DataError, Record

__all__ = ["Inspection"]

#: Threads: they wait for the disk, and Pillow lets others run while it decodes.
_THREADS = 8

#: Files that a thread looks at in one go; progress is told after each.
_TOGETHER = 128

#: Bytes at the end of a file that tell most images apart: headers are alike.
_TAIL = 2048


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was found."""

    error: str | None
    file: tuple[int, int]
    """Device and inode; of what is not there zeros."""
    like: tuple[int, bytes]
    """Size, and a digest of the end: equal where the bytes are."""


class Inspection:
    """Looks at each file once, however many records name it.

    Args:
        decode: all of each image, and not its header alone: minutes instead of seconds.
        progress: told of the files looked at.
    """

    def __init__(
        self, *, decode: bool = False, progress: Callable[[str, int, int], None] | None = None
    ) -> None:
        self.decode = decode
        self._progress = progress
        self._seen: dict[Path, _Seen] = {}
        self._digests: dict[tuple[int, int], bytes] = {}

    def decoding(self) -> Inspection:
        """One that decodes, and tells of it in the same place."""
        return Inspection(decode=True, progress=self._progress)

    def look(self, records: Iterable[Record]) -> None:
        """Look at the files of records that were not looked at yet."""
        paths = [p for p in dict.fromkeys(r.path for r in records) if p not in self._seen]
        groups = [paths[i : i + _TOGETHER] for i in range(0, len(paths), _TOGETHER)]
        what, done = "decoding images" if self.decode else "looking at images", 0
        with ThreadPoolExecutor(_THREADS, "qaconv-inspection") as pool:
            for group, seen in zip(groups, pool.map(self._look, groups), strict=True):
                self._seen.update(zip(group, seen, strict=True))
                done += len(group)
                if self._progress is not None:
                    self._progress(what, done, len(paths))

    def broken(self, records: Iterable[Record]) -> list[str]:
        """What is wrong with the files of records, a sentence for each that is broken."""
        records = list(records)
        self.look(records)
        errors = (self._seen[path].error for path in dict.fromkeys(r.path for r in records))
        return [error for error in errors if error is not None]

    def readable(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """The records whose files are not broken."""
        records = list(records)
        self.look(records)
        return tuple(record for record in records if self._seen[record.path].error is None)

    def images(self, records: Sequence[Record]) -> list[Hashable]:
        """A key for each record, equal where the bytes of the files are: for one image.

        Files whose sizes and ends are alike among all that were looked at are read.
        """
        self.look(records)
        files: defaultdict[tuple[int, bytes], set[tuple[int, int]]] = defaultdict(set)
        for seen in self._seen.values():
            files[seen.like].add(seen.file)

        def key(path: Path) -> Hashable:
            seen = self._seen[path]
            if seen.error is not None:
                return path
            return seen.file if len(files[seen.like]) == 1 else self._digest(path, seen)

        return [key(record.path) for record in records]

    def _look(self, paths: Sequence[Path]) -> list[_Seen]:
        return list(map(self._look_at, paths))

    def _look_at(self, path: Path) -> _Seen:
        try:
            check_file(path, decode=self.decode)
            about = path.stat()
            with path.open("rb") as file:
                file.seek(max(0, about.st_size - _TAIL))
                tail = hashlib.blake2b(file.read(), digest_size=8).digest()
        except (DataError, OSError) as error:
            return _Seen(str(error), (0, 0), (0, b""))
        return _Seen(None, (about.st_dev, about.st_ino), (about.st_size, tail))

    def _digest(self, path: Path, seen: _Seen) -> bytes:
        if seen.file not in self._digests:
            self._digests[seen.file] = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        return self._digests[seen.file]

"""Files are replaced whole: written under another name, then moved. And the folder of caches."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["check_replaceable", "replaced", "user_cache"]


def check_replaceable(path: Path) -> None:
    """That `replaced` could write there, found out before there is anything to write.

    Raises:
        OSError: it could not.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.touch()
    temporary.unlink()


@contextmanager
def replaced(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A name in the same folder to write to: moved to ``path`` at the end, or else removed.

    Args:
        path: the file that is there as it was, or whole.
        sync: wait until the bytes are on the disk; without it the move could get there first,
            which matters for what cannot be made again.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def user_cache() -> Path:
    """The folder for what can be made again: ``qaconv`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "qaconv"

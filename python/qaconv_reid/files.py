"""Files are replaced whole: written under another name, then moved. And the folder of caches."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from qaconv_reid.processes import is_running

__all__ = ["check_replaceable", "expanded", "replaced", "sweep", "user_cache", "why"]

#: Of file systems: bytes of a name.
_LONGEST_NAME = 255

#: What only writing fails with: of others nobody knows whether a file that was read is meant.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_TEMPORARY = re.compile(r".+\.(\d{1,10})\.tmp", re.DOTALL)


def check_replaceable(path: Path) -> None:
    """That `replaced` could write there, found out before there is anything to write.

    Raises:
        OSError: it could not.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    temporary = _temporary(path)
    with _under_its_own_name(temporary, path):
        _mode_of_new(temporary)


@contextmanager
def _under_its_own_name(temporary: Path, path: Path) -> Iterator[None]:
    """An error of the temporary file is one of the file: nobody knows the other name."""
    try:
        yield
    except SafetensorError as error:
        raise _as_os_error(error, path) from None
    except OSError as error:
        # What is written to a file that is open already fails without a name.
        if error.filename == str(temporary) or (
            error.filename is None and error.errno in _OF_WRITING
        ):
            error.filename = str(path)
        raise


def _as_os_error(error: SafetensorError, path: Path) -> OSError:
    """Of a full disk, for example, safetensors has the system's number in its text alone."""
    found = re.search(r"(?:I/O error: )?([^:]*) \(os error (\d+)\)", str(error))
    if found is None:
        return OSError(errno.EIO, str(error)[:200], str(path))
    return OSError(int(found[2]), found[1].strip(), str(path))


@contextmanager
def replaced(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A name in the same folder to write to: moved to ``path`` at the end, or else removed.

    Whatever writes it, the file may be read and written by whom the umask allows.

    Args:
        path: the file that is there as it was, or whole.
        sync: wait until the bytes are on the disk; without it the move could get there first,
            which matters for what cannot be made again.

    Raises:
        OSError: it cannot be written, be it safetensors that writes; it names ``path``.
    """
    temporary = _temporary(path)
    try:
        with _under_its_own_name(temporary, path):
            mode = _mode_of_new(temporary)
            yield temporary
            # Some libraries make files for nobody but their owner.
            if stat.S_IMODE(temporary.stat().st_mode) != mode:
                temporary.chmod(mode)
            if sync:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ``~`` as the user's home; of nobody's home it stays as it is, and is not there.

    `Path.expanduser` raises where there is no such user.
    """
    return Path(os.path.expanduser(path))


def sweep(folder: Path) -> None:
    """Remove what `replaced` left in a folder, and below it, in processes that were killed."""
    for place, _, names in os.walk(folder):
        for name in names:
            found = _TEMPORARY.fullmatch(name)
            if found is not None and not is_running(int(found[1])):
                Path(place, name).unlink(missing_ok=True)


def why(error: OSError) -> str:
    """What the system said, in its words and without its numbers."""
    return error.strerror or str(error)


def user_cache() -> Path:
    """The folder for what can be made again: ``qaconv`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "qaconv"


def _temporary(path: Path) -> Path:
    """A name that tells whose process it is of, and is no longer than a name may be."""
    end = f".{os.getpid()}.tmp"
    return path.with_name(os.fsdecode(os.fsencode(path.name)[: _LONGEST_NAME - len(end)]) + end)


def _mode_of_new(path: Path) -> int:
    """The mode of a file that is made there; nothing is left of it."""
    path.touch()
    try:
        return stat.S_IMODE(path.stat().st_mode)
    finally:
        path.unlink()

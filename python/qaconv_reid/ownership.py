"""One owner of a folder: who has it works in it alone, and others are told who it is.

The kernel's lock on the folder itself decides, which ends with its process however that ends. A
small file beside what lies in the folder says whose it is, for people; where a file system has no
such locks, it decides.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from qaconv_reid.processes import is_running
from qaconv_reid.text import SaidError

__all__ = ["OWNER_FILE", "OwnedError", "Owner", "in_turn", "owned"]

#: Lies in the folder as long as somebody has it.
OWNER_FILE = "owner.json"

#: Of this process. A child that was forked gives its copies back: it would hold them on.
_HANDLES: set[int] = set()

#: Looks at a folder that others make and remove meanwhile: more often they do not come in between.
_TRIES = 1000


def _close_in_child() -> None:
    while _HANDLES:
        os.close(_HANDLES.pop())


os.register_at_fork(after_in_child=_close_in_child)


class OwnedError(SaidError):
    """Another process has the folder; the text says which, and since when."""


class Owner:
    """The process that has a folder.

    Args:
        folder: which one.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / OWNER_FILE

    def stand_back(self) -> None:
        """Take one's name away, as before the folder is moved to its place; it stays locked."""
        self._file.unlink(missing_ok=True)


@contextmanager
def owned(
    folder: Path, what: str, *, notice: Callable[[str], None] | None = None
) -> Iterator[Owner]:
    """Have a folder for oneself.

    Args:
        folder: made where it is not there, and removed again where nothing was put into it.
        what: is done there, for people: ``qaconv train``.
        notice: told of a former owner that was killed.

    Raises:
        OwnedError: another process, or another thread of this one, has it.
        OSError: it cannot be made or written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    handle: int | None = None
    named = False
    owner = Owner(folder)
    try:
        handle, locks = _lock(folder)
        former = _read(folder)
        if former and not locks:
            _check_gone(folder, former)
        if former and notice is not None:
            notice(f"{folder}: {_name(former)} had it and was killed; its place is taken")
        owner.stand_back()
        _write(folder, what)
        named = True
        yield owner
    finally:
        if named:
            owner.stand_back()
        # Still locked: whoever waits for the folder finds out that it is another one by now.
        for path in made if handle is not None else made[1:]:
            try:
                path.rmdir()
            except OSError:  # not empty, or never made
                break
        if handle is not None:
            _HANDLES.discard(handle)
            # Not by closing alone: a child that was forked a moment ago may still have its copy.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until no other process is between the beginning and the end of this with that file.

    Where a file system has no such locks nothing is waited for.
    """
    with file.open("rb") as handle:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _lock(folder: Path) -> tuple[int, bool]:
    """A handle of the folder, locked; and whether the file system has such locks."""
    for left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # removed by who had it, or had a folder beside it
            # Or it cannot be: /proc says so in these words.
            if not left:
                raise
            continue
        except FileExistsError:
            # Or it cannot be: below a link to nowhere.
            if not left or (os.path.lexists(folder) and not folder.is_dir()):
                raise
            continue  # removed while it was looked at
        locks = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(handle)
                raise OwnedError(f"{folder}: {_name(_read(folder))} has it") from None
            locks = False
        try:
            there = os.path.samestat(os.fstat(handle), folder.stat())
        except FileNotFoundError:
            there = False
        if there:
            _HANDLES.add(handle)
            return handle, locks
        os.close(handle)  # moved away or removed, meanwhile
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(folder))


def _read(folder: Path) -> dict[str, Any]:
    """What the owner says of itself; nothing where there is none, or no sense in it."""
    try:
        said = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _write(folder: Path, what: str) -> None:
    said = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "what": what,
    }
    try:
        with (folder / OWNER_FILE).open("x", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
    except FileExistsError:  # only without locks: another came between
        raise OwnedError(f"{folder}: {_name(_read(folder))} has it") from None


def _check_gone(folder: Path, former: dict[str, Any]) -> None:
    """Without locks: that the former owner is no more, as far as can be known from here."""
    number, host = former.get("process"), former.get("host")
    if host == socket.gethostname():
        if isinstance(number, int) and not is_running(number):
            return
        raise OwnedError(f"{folder}: {_name(former)} has it")
    raise OwnedError(
        f"{folder}: {_name(former)} has it, which cannot be asked from here; if it has ended, "
        f"remove {folder / OWNER_FILE}"
    )


def _name(said: dict[str, Any]) -> str:
    if not said:
        return "another process"
    where = "" if said.get("host") == socket.gethostname() else f" on {said.get('host')}"
    return f"process {said.get('process')}{where} ({said.get('what')}, since {said.get('since')})"

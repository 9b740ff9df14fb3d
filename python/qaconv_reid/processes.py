"""Processes: whether one is there, how many may run at once, workers that end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess

__all__ = ["cores", "end_with_parent", "is_running"]


def is_running(number: int) -> bool:
    """Whether this machine has a process of this number."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def cores() -> int:
    """Cores of the machine that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """Tie a worker of `multiprocessing` to the process that started it; called in the worker.

    A pool's worker waits at a pipe of which it holds both ends: a parent that is killed never
    closes it. Ctrl-C, which a terminal sends to all, is left to the parent: it ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()  # at a pipe that the kernel closes with the parent, however that ends
    os._exit(1)

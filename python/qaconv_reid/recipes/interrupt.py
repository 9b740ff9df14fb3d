"""Ctrl-C as a wish and not as an accident."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "stop_when_interrupted"]


class Interrupted(Exception):
    """The run was stopped from outside and can be resumed; the text says how."""


@contextmanager
def stop_when_interrupted(notice: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """A function that says whether SIGINT (Ctrl-C) or SIGTERM has come.

    The first one only sets a mark, so that the step in progress is finished and weights are never
    half updated; the second one acts as usual. In another thread than the main one, where signals
    cannot be handled, nothing is changed.

    Args:
        notice: told what is going to happen when the first signal comes.
    """
    came = False
    home = os.getpid()
    if threading.current_thread() is not threading.main_thread():
        yield lambda: came
        return

    def mark(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if os.getpid() != home:
            # A worker that was forked has the handler too. A terminal sends Ctrl-C to it as well,
            # which is its parent's to act on; whoever ends it means it.
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        came = True
        restore()
        notice("stopping after this step; once more to stop at once")

    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    for number in former:
        signal.signal(number, mark)
    try:
        yield lambda: came
    finally:
        restore()

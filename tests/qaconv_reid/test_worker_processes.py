"""Workers end with who started them, and leave Ctrl-C to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from qaconv_reid.processes import is_running
from qaconv_reid.recipes.interrupt import stop_when_interrupted

POOL = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from qaconv_reid.processes import end_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(20)}, flush=True)
        list(pool.map(time.sleep, [60, 60]))
"""


def _gone(number: int) -> bool:
    """Whether a process has ended; nobody may be there to collect what is left of it."""
    try:
        with open(f"/proc/{number}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return not is_running(number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_of_a_pool_end_with_their_parent(tmp_path, number):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert workers
    for worker in workers:
        if number == signal.SIGINT:  # as a terminal sends it: to all
            os.kill(worker, number)
    assert not any(map(_gone, workers))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    until = time.monotonic() + 10
    while time.monotonic() < until and not all(map(_gone, workers)):
        time.sleep(0.02)
    assert all(map(_gone, workers))


def test_whether_a_process_is_there():
    assert is_running(os.getpid())
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert not is_running(child)
    assert not is_running(10**30)


def test_ctrl_c_is_noticed_once_however_many_workers_there_are():
    """A terminal sends it to the workers too, which were forked with the handler."""
    read, write = os.pipe()
    with stop_when_interrupted(lambda text: os.write(write, b"x")) as came:
        child = os.fork()
        if not child:
            signal.raise_signal(signal.SIGINT)
            os.write(write, b"d")  # it goes on with its work
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert not came()
        signal.raise_signal(signal.SIGINT)
        assert came()
    assert os.WTERMSIG(status) == signal.SIGTERM
    assert os.read(read, 10) == b"dx"

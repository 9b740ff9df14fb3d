"""Something done by several processes, as torchrun starts them."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed

#: Seconds after which processes that wait for each other are given up.
PATIENCE = 120


def in_processes(
    size: int, work: Callable[..., Any], *arguments: Any, joined: bool = True
) -> list[Any]:
    """What ``work(*arguments)`` returns in each of ``size`` processes, in the order of the ranks.

    The processes are joined into a group before, unless ``work`` is to do that. Results must be
    picklable; tensors are better returned as lists or by ``numpy``. A failure in one process fails
    the test with that process's traceback.
    """
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    # They meet at a port that is open before they look for it, as torchrun's is.
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    meeting = {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(size),
    }
    processes = [
        context.Process(
            target=_run, args=(meeting | {"RANK": str(rank)}, joined, results, work, arguments)
        )
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    try:
        got = dict(results.get(timeout=PATIENCE) for _ in processes)
    finally:
        for process in processes:
            process.join(timeout=5)
            process.kill()
    for answer in got.values():
        if isinstance(answer, _Failure):
            raise AssertionError(answer.text)
    return [got[rank] for rank in range(size)]


class _Failure:
    def __init__(self, text: str) -> None:
        self.text = text


def _run(
    meeting: dict[str, str], joined: bool, results: Any, work: Callable[..., Any], arguments: Any
) -> None:
    os.environ.update(meeting)
    # Threads of the parent are not in a forked child, whose parallel regions would wait for them.
    torch.set_num_threads(1)
    try:
        if joined:
            distributed.init_process_group("gloo")
        answer = work(*arguments)
        if joined:
            distributed.barrier()
            distributed.destroy_process_group()
    except BaseException:
        answer = _Failure(traceback.format_exc())
    results.put((int(meeting["RANK"]), answer))

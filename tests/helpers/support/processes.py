"""Something done by several processes joined into a group, as torchrun would start them."""

from __future__ import annotations

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

#: Seconds after which processes that wait for each other are given up.
PATIENCE = 120


def in_processes(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What ``work(*arguments)`` returns in each of ``size`` processes, in the order of the ranks.

    Results must be picklable; tensors are better returned as lists or by ``numpy``. A failure in
    one process fails the test with that process's traceback.
    """
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        processes = [
            context.Process(target=_run, args=(rank, size, store, results, work, arguments))
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
    rank: int, size: int, store: Path, results: Any, work: Callable[..., Any], arguments: Any
) -> None:
    # Threads of the parent are not in a forked child, whose parallel regions would wait for them.
    torch.set_num_threads(1)
    try:
        distributed.init_process_group(
            "gloo", init_method=f"file://{store}", rank=rank, world_size=size
        )
        answer = work(*arguments)
        distributed.barrier()
        distributed.destroy_process_group()
    except BaseException:
        answer = _Failure(traceback.format_exc())
    results.put((rank, answer))

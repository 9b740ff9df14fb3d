"""What a GPU says of itself: name, software, clocks, and which of our texts it ran."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import torch

from qaconv_ext import backend


def is_emulated() -> bool:
    """Whether the device is an emulator of the CUDA runtime: times mean nothing there."""
    return "emulat" in torch.cuda.get_device_name().lower()


#: What nvidia-smi is asked for, and the name it gets.
_QUERIES = {
    "driver": "driver_version",
    "sm_clock": "clocks.sm",
    "most_sm_clock": "clocks.max.sm",
    "memory_clock": "clocks.mem",
    "power_limit": "power.limit",
}
#: The same, of a device at work.
_AT_WORK = {"sm_clock": "clocks.sm", "power": "power.draw", "temperature": "temperature.gpu"}


def _ask(queries: dict[str, str], meanwhile: Callable[[], object]) -> dict[str, str]:
    """nvidia-smi's answers, ``meanwhile`` called until they are there; {} where it has none."""
    command = ["nvidia-smi", "--format=csv,noheader", "--query-gpu=" + ",".join(queries.values())]
    try:
        # By its own name: numbers are counted anew where some devices are hidden.
        command.append(f"--id=GPU-{torch.cuda.get_device_properties().uuid}")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            for _ in range(2000):
                meanwhile()
                if process.poll() is not None:
                    break
            try:
                out, _ = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                return {}
    except (OSError, AttributeError):
        return {}
    answers = [answer.strip() for answer in out.strip().split(",")]
    if process.returncode or len(answers) != len(queries):
        return {}
    return dict(zip(queries, answers, strict=True))


def facts_at_work(work: Callable[[], object]) -> dict[str, str]:
    """Clock, power and temperature while ``work`` (which waits for the device) is repeated."""
    return {} if is_emulated() else _ask(_AT_WORK, work)


def gpu_facts() -> dict[str, Any]:
    """The GPU and its software; clocks and driver where nvidia-smi tells them."""
    facts: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": torch.version.cuda,
    }
    if is_emulated():
        return {**facts, "emulated": True}
    return facts | _ask(_QUERIES, lambda: None)


def last_variant() -> str | None:
    """The kernel variant that this thread's last forward took; None where nothing tells."""
    return backend.last_cuda_variant() or None

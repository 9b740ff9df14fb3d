"""Where a figure comes from: command, commit, machine."""

from __future__ import annotations

import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from qaconv_ext import __version__, backend
from qaconv_ext.benchmark.cuda_meter import gpu_facts


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).resolve().parent
    try:
        run = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None  # installed without a checkout
    return run.stdout.strip()


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if match:
            return match.group(1).strip()
    return platform.processor() or platform.machine()


def machine(device: str) -> dict[str, Any]:
    """What the figures were made on."""
    facts: dict[str, Any] = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "simd_level": backend.simd_level(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device == "cuda":
        facts |= gpu_facts()
    return facts


def machine_slug(device: str) -> str:
    """A folder name for results of this kind of machine."""
    facts = machine(device)
    name = facts.get("gpu") or f"{facts['processor']} {facts['threads']} threads"
    return re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-")


def provenance(command: str, device: str) -> dict[str, Any]:
    """Everything a reader needs to make the figures again."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "command": command,
        "version": __version__,
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": None if changes is None else bool(changes),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
    }

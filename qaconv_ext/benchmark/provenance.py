"""Where a figure comes from: command, commit, machine."""

from __future__ import annotations

import hashlib
import json
import os
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


def _carried_commit() -> dict[str, Any] | None:
    """The commit of a tree that was copied without its history.

    ``QACONV_COMMIT_FILE`` names a JSON file, written from a clean tree, with the commit and git's
    name of every file's contents: whether the copy is that commit can be seen.
    """
    file = os.environ.get("QACONV_COMMIT_FILE")
    if not file or not Path(file).is_file():
        return None
    data = json.loads(Path(file).read_text())
    root = Path(__file__).resolve().parents[2]
    changed = [path for path, blob in data["files"].items() if _blob(root / path) != blob]
    if changed:
        print(f"{file}: not its commit any more, {changed[0]} is another", flush=True)
    return {"commit": data["commit"], "uncommitted_changes": bool(changed)}


def _blob(path: Path) -> str | None:
    """Git's name of a file's contents; None where there is no file."""
    if not path.is_file():
        return None
    contents = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(contents) + contents, usedforsecurity=False).hexdigest()


def _commit() -> dict[str, Any]:
    # Beside a copy there may lie a history of another state; what was carried shows what it is.
    carried = _carried_commit()
    commit = _git("rev-parse", "HEAD")
    if carried is not None and (commit is None or not carried["uncommitted_changes"]):
        return carried
    if commit is None:
        return {"commit": None, "uncommitted_changes": None}
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "uncommitted_changes": None if changes is None else bool(changes)}


def provenance(command: str, device: str) -> dict[str, Any]:
    """Everything a reader needs to make the figures again."""
    return {
        "command": command,
        "version": __version__,
        **_commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
    }

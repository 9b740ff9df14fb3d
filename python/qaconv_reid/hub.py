"""Saved matchers on the Hugging Face hub; the extra `hub`, imported when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["HubError", "fetch", "is_name", "push"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubError(RuntimeError):
    """The hub cannot be used, or does not have what was asked for; the text says why."""


def is_name(source: str | Path) -> bool:
    """Whether this is ``OWNER/NAME`` of a hub, and nothing that lies here."""
    text = str(source)
    return bool(_NAME.fullmatch(text)) and not Path(text).exists()


def fetch(name: str, files: Sequence[str], revision: str | None = None) -> Path:
    """Files of a repository, in the hub's cache on this machine.

    Args:
        name: ``OWNER/NAME``.
        files: their names; nothing else is downloaded.
        revision: branch, tag or commit.

    Returns:
        The folder that they are in.

    Raises:
        HubError: the extra is not installed, or the hub does not give them.
    """
    hub = _hub()
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # the hub's own errors, and those of the network below
        raise HubError(f"{name}: cannot be fetched from the hub: {_first_line(error)}") from error


def push(folder: Path, name: str, *, private: bool = False) -> str:
    """Put a folder into a repository of the hub, which is made if it is not there.

    Args:
        folder: whose files are uploaded.
        name: ``OWNER/NAME``.
        private: of a repository that is made.

    Returns:
        The address of the commit.

    Raises:
        HubError: the extra is not installed, or the hub does not take it.
    """
    hub = _hub()
    try:
        api = hub.HfApi()
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=str(folder)))
    except Exception as error:
        raise HubError(f"{name}: cannot be put on the hub: {_first_line(error)}") from error


def _hub() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise HubError("huggingface_hub is not installed (pip install 'qaconv-ext[hub]')") from None
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__

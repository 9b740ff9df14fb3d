"""The log of a run: one JSON object a line, so that a run that stops keeps all it wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qaconv_reid.documents import DocumentError

__all__ = ["RunLog", "read_run_log"]


class RunLog:
    """Appends to a log, a line per record, each flushed as it is written.

    A torn last line, left by a run that was stopped while writing it, is cut off on opening.

    Args:
        path: the file; made, with its folder, where missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _mend(path)
        self._file = path.open("a", encoding="utf-8")

    def append(self, record: Mapping[str, object]) -> None:
        """Write a record.

        Args:
            record: what ``json`` can write. Numbers that JSON does not know become the strings
                ``"nan"``, ``"inf"`` and ``"-inf"``, which ``float`` reads.

        Raises:
            TypeError: it holds something that JSON cannot; nothing is written.
        """
        line = json.dumps(_finite(record), allow_nan=False, ensure_ascii=False)
        self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_run_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log, oldest first; a torn last line is passed over.

    Raises:
        FileNotFoundError: there is no such file.
        DocumentError: a line that is not the last is no JSON object; its number is named.
    """
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path}: got something else than a file, wanted the log of a run")
    whole, _ = _split(path.read_bytes())
    records = []
    for number, line in enumerate(whole.splitlines(), start=1):
        record = _parse(line)
        if record is None:
            raise DocumentError(
                f"{path}: got no JSON object in line {number}, wanted the record of an epoch"
            )
        records.append(record)
    return records


def _mend(path: Path) -> None:
    content = path.read_bytes()
    whole, torn = _split(content)
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    elif whole and not whole.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The whole lines and the torn rest; a last line that only lacks its end is whole."""
    end = content.rfind(b"\n") + 1
    rest = content[end:]
    if not rest or _parse(rest) is not None:
        return content, b""
    return content[:end], rest


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # also bytes that are no UTF-8
        return None
    return record if isinstance(record, dict) else None


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

"""The metrics of a run: JSON lines, a table for spreadsheets, and TensorBoard where asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qaconv_reid.config import ConfigError
from qaconv_reid.files import replaced
from qaconv_reid.reports.runlog import RunLog, read_run_log

__all__ = ["Metrics"]


class Metrics:
    """Appends the record of an epoch everywhere.

    The JSON lines are what counts: the table is made from them anew each time.

    Args:
        folder: of the run; it gets ``metrics.jsonl``, ``metrics.csv`` and ``tensorboard/``.
        tensorboard: whether to write for TensorBoard.

    Raises:
        ConfigError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self._board = _summary_writer(folder / "tensorboard") if tensorboard else None
        self._lines = folder / "metrics.jsonl"
        self._log = RunLog(self._lines)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write the record of an epoch, which has its number under ``epoch``."""
        self._log.append(record)
        records = read_run_log(self._lines)
        names = list(dict.fromkeys(name for one in records for name in one))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        with replaced(self._lines.with_suffix(".csv")) as path:
            path.write_text(text.getvalue(), encoding="utf-8")
        if self._board is not None:
            for name, value in record.items():
                if name != "epoch" and not isinstance(value, str):
                    self._board.add_scalar(name, value, record["epoch"])
            self._board.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()
        if self._board is not None:
            self._board.close()


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "runtime.tensorboard: got true, wanted tensorboard installed: "
            "pip install 'qaconv-ext[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder))

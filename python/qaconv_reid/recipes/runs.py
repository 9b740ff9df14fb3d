"""The folder of a run: what lies in it, and what a later process may change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qaconv_reid.config import CONFIG_FILE, ConfigError, RunConfig, differences, load, to_toml
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.files import replaced
from qaconv_reid.reports import read_run_log
from qaconv_reid.restore import BEST, CHECKPOINT
from qaconv_reid.training import checkpoint

__all__ = ["RunFolder"]

#: Settings that may differ from those a run was begun with: they do not change what is learnt from
#: an image, and a finished run may be given more epochs.
_FREE = (
    "name",
    "output",
    "data.test",
    "evaluation.average_precision",
    "evaluation.batch_size",
    "evaluation.maps",
    "evaluation.precision",
    "evaluation.shortlist",
    "evaluation.weights",
    "data.broken",
    "data.cache",
    "data.cache_folder",
    "runtime.checkpoint_minutes",
    "runtime.device",
    "runtime.workers",
    "schedule.max_epochs",
)


class RunFolder:
    """``config.toml``, ``metrics.jsonl``, ``checkpoint/``, ``evaluation.json`` of one run.

    What became of every query of an evaluation is in ``evaluation-queries.csv``.

    With a validation part there is ``best/`` too: the weights of its best mAP. While the run is
    evaluated there is ``evaluation-work/``: what is finished of that.

    Args:
        path: the folder; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / CONFIG_FILE
        self.metrics = path / "metrics.jsonl"
        #: How the starts that were tried did (`best_start`).
        self.trials = path / "trials.json"
        self.checkpoint = path / CHECKPOINT
        self.best = path / BEST
        self.evaluation = path / "evaluation.json"
        self.evaluation_queries = path / "evaluation-queries.csv"
        self.evaluation_work = path / "evaluation-work"

    def check_new(self) -> None:
        """That nothing is there.

        Raises:
            ConfigError: something is.
        """
        if self.path.is_dir() and not any(self.path.iterdir()):
            return
        if self.path.exists():
            raise ConfigError(
                f"{self.path}: the run is there already; go on with it by --resume, or choose "
                "another name=…"
            )

    def check_same(self, config: RunConfig) -> None:
        """That ``config`` can go on with, or evaluate, what lies here.

        Raises:
            ConfigError: there is no run, or it was begun with other settings.
        """
        if not self.config_file.is_file():
            raise ConfigError(f"{self.path}: there is no run in this folder")
        changed = [key for key in differences(load(self.path), config) if key not in _FREE]
        if changed:
            raise ConfigError(
                f"{self.path}: the run was begun with another {', '.join(changed)}; only "
                f"{', '.join(_FREE)} may change"
            )

    def has_checkpoint(self) -> bool:
        """Whether the run has come as far as its first checkpoint."""
        return (self.checkpoint / checkpoint.STATE_FILE).is_file()

    def write_config(self, config: RunConfig) -> None:
        """Keep the whole settings."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write(self.config_file, to_toml(config))

    def forget_metrics_after(self, epoch: int) -> None:
        """Drop the records of epochs that the checkpoint does not know: they will come again."""
        if not self.metrics.is_file():
            return
        kept = [record for record in read_run_log(self.metrics) if record["epoch"] <= epoch]
        _write(self.metrics, "".join(json.dumps(record) + "\n" for record in kept))

    def write_evaluation(self, results: Sequence[EvaluationResult], epochs: int) -> None:
        """Keep results, beside earlier ones of other data sets or measured otherwise.

        Args:
            results: to be kept.
            epochs: that the network was trained for.
        """
        new = [
            {**result.as_dict(), "root": str(result.root), "epochs": epochs} for result in results
        ]
        entries = [
            entry for entry in self.evaluations() if not any(_alike(entry, it) for it in new)
        ]
        _write(self.evaluation, json.dumps([*entries, *new], indent=2) + "\n")

    def evaluations(self) -> Iterable[dict[str, Any]]:
        """The entries of ``evaluation.json``, none where nothing was evaluated."""
        try:
            entries: list[dict[str, Any]] = json.loads(self.evaluation.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return entries


def _alike(entry: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether both are of one data set and measured alike.

    The earliest entries knew of one way to measure, and of data sets by their names alone.
    """
    place = "root" if "root" in entry else "dataset"
    defaults = {"protocol": "market", "area": "plain", "every_crop": False, "variant": "plain"}
    return entry.get(place) == new.get(place) and all(
        entry.get(key, default) == new.get(key, default) for key, default in defaults.items()
    )


def _write(path: Path, text: str) -> None:
    """Replace a file, whole or not at all."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""The folder of a run: what lies in it, and what a later process may change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from qaconv_reid import documents
from qaconv_reid.config import CONFIG_FILE, ConfigError, RunConfig, differences, load, to_toml
from qaconv_reid.data import ReidDataset, parse_spec
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.files import check_replaceable, expanded, replaced, sweep, why
from qaconv_reid.ownership import OWNER_FILE, OwnedError, in_turn, owned
from qaconv_reid.recipes.query_file import check_queries, write_queries
from qaconv_reid.reports import read_run_log
from qaconv_reid.restore import BEST, CHECKPOINT
from qaconv_reid.training import checkpoint

__all__ = ["RunFolder", "anchored", "settings_of_run"]

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


_Number = float | Literal["nan", "inf", "-inf"]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Epoch(BaseModel):
    """A record of the log, which has text for what is not finite."""

    model_config = ConfigDict(strict=True, extra="allow")

    epoch: Annotated[int, Field(gt=0)]
    seconds: float
    loss: _Number | None = None
    accuracy: _Number | None = None
    gap: _Number | None = None
    scale: _Number | None = None
    learning_rate: _Number | None = None
    validation_rank1: _Number | None = None
    validation_mAP: _Number | None = None
    processor_seconds: float | None = None
    input_seconds: float = 0.0
    graph_seconds: float = 0.0
    network_seconds: float = 0.0
    matcher_seconds: float = 0.0


class _Entry(BaseModel):
    """What ``evaluation.json`` has of one evaluation."""

    model_config = ConfigDict(strict=True, extra="allow")

    dataset: str
    mAP: _Share
    rank1: _Share | None = None
    rank5: _Share | None = None
    rank10: _Share | None = None
    mINP: _Share | None = None
    root: str | None = None
    protocol: str = "market"
    area: str = "plain"
    variant: str = "plain"
    every_crop: bool = False
    epochs: int | None = None
    notes: list[str] = []


_EPOCH = TypeAdapter(_Epoch)
_ENTRY = TypeAdapter(_Entry)
_LIST = TypeAdapter(list[dict[str, Any]])


def anchored(config: RunConfig) -> RunConfig:
    """The settings with places that mean the same from any folder: a run goes on from anywhere."""
    data, model = config.data, config.model
    sets = {name: tuple(map(_anchored_spec, getattr(data, name))) for name in ("train", "test")}
    cache = None if data.cache_folder is None else Path(os.path.abspath(data.cache_folder))
    weights = model.weights
    if weights is not None and os.path.isfile(expanded(weights)):
        weights = os.path.abspath(expanded(weights))
    return config.model_copy(
        update={
            "data": data.model_copy(update={**sets, "cache_folder": cache}),
            "model": model.model_copy(update={"weights": weights}),
        }
    )


def settings_of_run(source: str) -> RunConfig | None:
    """The settings of the run that ``qaconv_reid.load`` would load; None of anything else.

    Raises:
        ConfigError: they cannot be read.
    """
    folder = expanded(source)
    return load(folder) if (folder / CONFIG_FILE).is_file() else None


def _anchored_spec(text: str) -> str:
    path, layout = parse_spec(text)
    place = os.path.abspath(path)
    return place if layout is None else f"{layout}:{place}"


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

    @contextmanager
    def owned(self, what: str, notice: Callable[[str], None]) -> Iterator[None]:
        """Have the folder for oneself; what killed processes left half written is removed.

        Args:
            what: is done there, for people.
            notice: told of a former owner that was killed.

        Raises:
            OwnedError: another process has it.
            ConfigError: it cannot be made or written to.
        """
        owner = owned(self.path, what, notice=notice)
        try:
            owner.__enter__()
        except OwnedError as error:
            raise OwnedError(f"{error}: wait for its end, or choose another name=…") from None
        except OSError as error:
            raise ConfigError(
                f"output, name: got {self.path}, wanted a folder that can be written to: "
                f"{why(error)}"
            ) from None
        with ExitStack() as stack:
            stack.push(owner)
            sweep(self.path)
            yield

    def check_new(self) -> None:
        """That nothing is there.

        Raises:
            ConfigError: something is.
        """
        if self.path.is_dir() and all(it.name == OWNER_FILE for it in self.path.iterdir()):
            return
        if os.path.lexists(self.path):
            raise ConfigError(
                f"{self.path}: the run is there already; go on with it by --resume, or choose "
                "another name=…"
            )

    def check_same(self, config: RunConfig) -> None:
        """That ``config`` can go on with, or evaluate, what lies here.

        Raises:
            ConfigError: there is no run, or it was begun with other settings.
        """
        if not os.path.isfile(self.config_file):
            raise ConfigError(f"{self.path}: there is no run in this folder")
        begun, config = anchored(load(self.path)), anchored(config)
        changed = [key for key in differences(begun, config) if key not in _FREE]
        if _named(begun) == _named(config):  # the same sets, in another place by now
            changed = [key for key in changed if key != "data.train"]
        if changed:
            raise ConfigError(
                f"{self.path}: the run was begun with another {', '.join(changed)}; only "
                f"{', '.join(_FREE)} may change"
            )

    def check_results(self) -> None:
        """That results can be kept here later, beside those that are here.

        Raises:
            ConfigError, DocumentError: a file cannot be read, or not be written.
        """
        self.evaluations()
        check_queries(self.evaluation_queries)
        for file in (self.evaluation, self.evaluation_queries):
            try:
                check_replaceable(file)
            except OSError as error:
                raise ConfigError(
                    f"{file}: got a file that cannot be written ({why(error)}), wanted room for "
                    "the results"
                ) from None

    def has_checkpoint(self) -> bool:
        """Whether the run has come as far as its first checkpoint."""
        return (self.checkpoint / checkpoint.STATE_FILE).is_file()

    def write_config(self, config: RunConfig) -> None:
        """Keep the whole settings."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write(self.config_file, to_toml(config))

    def discard(self) -> None:
        """Take a new run back, of which nothing was learnt: its name is free again."""
        if self.has_checkpoint() or self.epochs():
            return
        for file in (self.config_file, self.metrics, self.metrics.with_suffix(".csv"), self.trials):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoint, self.best):
            with suppress(OSError):
                folder.rmdir()

    def epochs(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``, none where no epoch was finished.

        Raises:
            DocumentError: a line is no record of an epoch.
        """
        if not os.path.lexists(self.metrics):
            return []
        records = read_run_log(self.metrics)
        for number, record in enumerate(records, start=1):
            documents.check(_EPOCH, record, f"{self.metrics}: line {number}")
        return records

    def forget_metrics_after(self, epoch: int) -> None:
        """Drop the records of epochs that the checkpoint does not know: they will come again."""
        records = self.epochs()
        kept = [record for record in records if record["epoch"] <= epoch]
        if kept != records:
            _write(self.metrics, "".join(json.dumps(record) + "\n" for record in kept))

    def write_results(
        self, results: Sequence[EvaluationResult], datasets: Sequence[ReidDataset], epochs: int
    ) -> None:
        """Keep results and what became of every query, beside earlier ones.

        Args:
            results: to be kept, one for each data set.
            datasets: in the order of ``results``.
            epochs: that the network was trained for.

        Raises:
            OSError: they cannot be written; the message says what to do.
        """
        try:
            # Evaluations of other data sets may end at the same time.
            with in_turn(self.config_file):
                self.write_evaluation(results, epochs)
                write_queries(self.evaluation_queries, results, datasets, beside=True)
        except OSError as error:
            raise OSError(
                f"{self.path}: the results cannot be written ({why(error)}), but they stand above; "
                f"when there is room they are kept by: qaconv evaluate {self.path}"
            ) from None

    def write_evaluation(self, results: Sequence[EvaluationResult], epochs: int) -> None:
        """Keep results, beside earlier ones of other data sets or measured otherwise.

        Args:
            results: to be kept.
            epochs: that the network was trained for.
        """
        new = [
            {**result.as_dict(), "root": os.path.abspath(str(result.root)), "epochs": epochs}
            for result in results
        ]
        entries = [
            entry for entry in self.evaluations() if not any(_alike(entry, it) for it in new)
        ]
        _write(self.evaluation, json.dumps([*entries, *new], indent=2) + "\n")

    def evaluations(self) -> list[dict[str, Any]]:
        """The entries of ``evaluation.json``, none where nothing was evaluated.

        Raises:
            DocumentError: it is something else.
        """
        try:
            read = documents.read(self.evaluation, "a list of results")
        except FileNotFoundError:
            return []
        entries: list[dict[str, Any]] = documents.check(_LIST, read, str(self.evaluation))
        for number, entry in enumerate(entries, start=1):
            documents.check(_ENTRY, entry, f"{self.evaluation}: entry {number}")
        return entries


def _named(config: RunConfig) -> list[tuple[str, str | None]]:
    """Of the training sets what does not change when they are moved."""
    return [(path.name, layout) for path, layout in map(parse_spec, config.data.train)]


def _alike(entry: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether both are of one data set and measured alike.

    The earliest entries knew of one way to measure, and of data sets by their names alone.
    """
    place = "root" if "root" in entry else "dataset"
    defaults = {"protocol": "market", "area": "plain", "every_crop": False, "variant": "plain"}
    if place == "root":  # earlier ones were relative to where the command was given
        entry = {**entry, "root": os.path.abspath(str(entry["root"]))}
    return entry.get(place) == new.get(place) and all(
        entry.get(key, default) == new.get(key, default) for key, default in defaults.items()
    )


def _write(path: Path, text: str) -> None:
    """Replace a file, whole or not at all."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

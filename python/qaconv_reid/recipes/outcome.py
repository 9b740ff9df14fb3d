"""What an evaluation leaves in files: its measures, and what became of every query."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from qaconv_ext import __version__
from qaconv_reid.config import RunConfig
from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import EvaluationResult, Ranking
from qaconv_reid.files import replaced

__all__ = ["write_json", "write_queries"]

_COLUMNS = (
    "dataset",
    "scores",
    "query",
    "person",
    "camera",
    "first_match",
    "average_precision",
    "taken_for",
    "taken_for_person",
)


def write_json(
    path: Path, results: Sequence[EvaluationResult], config: RunConfig, *, epochs: int | None
) -> None:
    """Write the measures of every data set, with what they are of.

    Args:
        path: the file; replaced whole.
        results: of the evaluation.
        config: of the run.
        epochs: that the network was trained for; None for an untrained matcher.
    """
    content = {
        "version": __version__,
        "run": config.name,
        "epochs": epochs,
        "model": config.model.model_dump(mode="json"),
        "results": [result.as_dict() for result in results],
    }
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_queries(
    path: Path, results: Sequence[EvaluationResult], datasets: Sequence[ReidDataset]
) -> None:
    """Write a line of CSV for every query and way of scoring.

    Paths are relative to the data set. A query that is not counted has neither rank nor average
    precision.

    Args:
        path: the file; replaced whole.
        results: one for each data set.
        datasets: in the order of ``results``.
    """
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for result, dataset in zip(results, datasets, strict=True):
            for measured in result.measured:
                for line in _lines(measured.ranking, dataset):
                    writer.writerow((result.dataset, measured.name, *line))


def _lines(ranking: Ranking, dataset: ReidDataset) -> Iterator[tuple[object, ...]]:
    for number, record in enumerate(dataset.query):
        precision = float(ranking.average_precision[number])
        found = int(ranking.taken_for[number])
        taken = dataset.gallery[found] if found >= 0 else None
        yield (
            _place(record, dataset),
            record.person,
            "" if record.camera is None else record.camera,
            int(ranking.first_match[number]) or "",
            "" if math.isnan(precision) else precision,
            "" if taken is None else _place(taken, dataset),
            "" if taken is None else taken.person,
        )


def _place(record: Record, dataset: ReidDataset) -> str:
    root = dataset.root if dataset.root.is_dir() else dataset.root.parent
    path = record.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

"""What became of every query, as CSV: written by an evaluation, read to compare two of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qaconv_reid.config import ConfigError
from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import EvaluationResult, PerQuery, Ranking
from qaconv_reid.files import replaced

__all__ = ["Kind", "QueryResults", "check_queries", "read_queries", "write_queries"]


class Kind(NamedTuple):
    """Of which data set, how measured, by which scores."""

    dataset: str
    root: str
    protocol: str
    area: str
    scores: str

    @property
    def of(self) -> tuple[str, str, str]:
        """What the lines of one evaluation of a data set have in common."""
        return self.root, self.protocol, self.area


_COLUMNS = (
    *Kind._fields,
    "query",
    "person",
    "camera",
    "first_match",
    "rank1",
    "average_precision",
    "taken_for",
    "taken_for_person",
)


@dataclass(frozen=True, slots=True, eq=False)
class QueryResults:
    """Every query of one way of scoring, in the order of the file."""

    kind: Kind
    queries: tuple[str, ...]
    """Paths, relative to the data set."""
    pids: NDArray[np.int64]
    found: PerQuery
    taken_for: tuple[str, ...]
    """Path of the first of each ranking; empty for none."""


def write_queries(
    path: Path,
    results: Sequence[EvaluationResult],
    datasets: Sequence[ReidDataset],
    *,
    beside: bool = False,
) -> None:
    """Write a line of CSV for every query and way of scoring.

    Paths are relative to the data set. A query that is not counted has neither rank nor average
    precision.

    Args:
        path: the file; replaced whole.
        results: one for each data set.
        datasets: in the order of ``results``.
        beside: keep what the file has of other data sets or measured otherwise.
    """
    new = {_kind_of(result, "").of for result in results}
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        if beside and path.exists():
            for line in _read(path):
                if _kind(line).of not in new:
                    writer.writerow([line[name] for name in _COLUMNS])
        for result, dataset in zip(results, datasets, strict=True):
            for measured in result.measured:
                kind = _kind_of(result, measured.name)
                for values in _lines(measured.ranking, dataset):
                    writer.writerow((*kind, *values))


def check_queries(path: Path) -> None:
    """That `write_queries` can put more beside what the file has.

    Raises:
        ConfigError: it is another file.
    """
    if path.exists():
        for _ in _read(path):
            pass


def _kind_of(result: EvaluationResult, scores: str) -> Kind:
    words = [result.protocol]
    words += [result.variant] if result.variant != "plain" else []
    words += ["every crop"] if result.every_crop else []
    return Kind(result.dataset, str(result.root), ", ".join(words), result.area, scores)


def read_queries(path: Path) -> list[QueryResults]:
    """What `write_queries` wrote, a part for each way of scoring.

    Raises:
        ConfigError: it is another file.
        OSError: it cannot be read.
    """
    parts: dict[Kind, list[dict[str, str]]] = {}
    for line in _read(path):
        parts.setdefault(_kind(line), []).append(line)
    try:
        return [_results(kind, lines) for kind, lines in parts.items()]
    except ValueError as error:
        raise ConfigError(f"{path}: got a line that is none of an evaluation: {error}") from error


def _results(kind: Kind, lines: Sequence[dict[str, str]]) -> QueryResults:
    def numbers(name: str) -> NDArray[np.float64]:
        return np.array([float(line[name]) if line[name] else math.nan for line in lines])

    return QueryResults(
        kind,
        queries=tuple(line["query"] for line in lines),
        pids=np.array([int(line["person"]) for line in lines], dtype=np.int64),
        found=PerQuery(numbers("rank1"), numbers("average_precision")),
        taken_for=tuple(line["taken_for"] for line in lines),
    )


def _read(path: Path) -> Iterator[dict[str, str]]:
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: got something else than a file, wanted a table of queries")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise ConfigError(
                    f"{path}: got the columns {', '.join(reader.fieldnames or ()) or 'of no table'}"
                    f", wanted {', '.join(_COLUMNS)}"
                )
            for line in reader:
                if None in line or None in line.values():
                    raise ConfigError(
                        f"{path}: got another number of cells than columns in line "
                        f"{reader.line_num}, wanted {len(_COLUMNS)}"
                    )
                yield line
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as a table of queries: {error}") from None


def _kind(line: dict[str, str]) -> Kind:
    return Kind(*(line[name] for name in Kind._fields))


def _lines(ranking: Ranking, dataset: ReidDataset) -> Iterator[tuple[object, ...]]:
    hits = ranking.hits(1)
    for number, record in enumerate(dataset.query):
        counted = int(ranking.first_match[number]) > 0
        found = int(ranking.taken_for[number])
        taken = dataset.gallery[found] if found >= 0 else None
        yield (
            _place(record, dataset),
            record.person,
            "" if record.camera is None else record.camera,
            int(ranking.first_match[number]) if counted else "",
            float(hits[number]) if counted else "",
            float(ranking.average_precision[number]) if counted else "",
            "" if taken is None else _place(taken, dataset),
            "" if taken is None else taken.person,
        )


def _place(record: Record, dataset: ReidDataset) -> str:
    root = dataset.root if dataset.root.is_dir() else dataset.root.parent
    path = record.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

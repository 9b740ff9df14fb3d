"""Whether a data set on disk is complete and readable, before any long work begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qaconv_reid.data.counts import PartCheck, State, compare
from qaconv_reid.data.decoding import open_rgb
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.loading import load
from qaconv_reid.data.records import DataError, Record, ReidDataset, shorten

if TYPE_CHECKING:
    from rich.console import Group

#: How many images of each part are decoded.
_OPENED = 24


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found: ``problems`` stop a run, ``hints`` are for a person to judge."""

    name: str
    layout: str
    root: Path
    rows: tuple[PartCheck, ...]
    problems: tuple[str, ...]
    hints: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of using the data set."""
        return not self.problems


def check(path: str | Path, layout: str | None = None) -> CheckReport:
    """Load a data set, compare its counts with the published ones and decode a sample of images.

    Args:
        path: As for ``load``.
        layout: A name of ``LAYOUTS``; None recognises it.

    Raises:
        DataError: It cannot be loaded at all.
    """
    return check_dataset(load(path, layout))


def check_dataset(dataset: ReidDataset) -> CheckReport:
    """The same for a data set that is loaded (without ``combine_all``)."""
    layout = LAYOUTS[dataset.layout]
    edition, rows = compare(dataset, layout)
    return CheckReport(
        dataset.name,
        dataset.layout,
        dataset.root,
        rows,
        problems=tuple(_problems(dataset)),
        hints=(*_count_warnings(edition, rows), *_usability(dataset, layout), *dataset.notes),
    )


def _count_warnings(edition: str | None, rows: tuple[PartCheck, ...]) -> Iterator[str]:
    differing = [row.part for row in rows if row.differs]
    if differing:
        yield (
            f"counts of {', '.join(differing)} differ from the published ones of {edition}: to be "
            "expected of your own images in this layout, else an incomplete copy or another version"
        )


def _problems(dataset: ReidDataset) -> Iterator[str]:
    for part, records in dataset.parts.items():
        broken = [str(error) for error in map(_decoding_error, _sample(records)) if error]
        if broken:
            opened = min(len(records), _OPENED)
            yield f"{part}: {len(broken)} of {opened} opened images are broken: {shorten(broken)}"
    if bool(dataset.query) != bool(dataset.gallery):
        there, absent = ("query", "gallery") if dataset.query else ("gallery", "query")
        yield f"there are {there} images but no {absent} images: nothing can be evaluated"


def _sample(records: Sequence[Record]) -> list[Record]:
    """The first, the last and evenly spaced ones between, ``_OPENED`` at most."""
    if len(records) <= _OPENED:
        return list(records)
    last = len(records) - 1
    return [records[round(i * last / (_OPENED - 1))] for i in range(_OPENED)]


def _decoding_error(record: Record) -> DataError | None:
    try:
        open_rgb(record.path)
    except DataError as error:
        return error
    return None


def _usability(dataset: ReidDataset, layout: Layout) -> Iterator[str]:
    """What the data set can be used for, as far as it cannot be used for everything."""
    if not dataset.train:
        yield "train is empty: the data set can be evaluated on, not trained on"
    if not dataset.query and not dataset.gallery:
        yield "query and gallery are empty: the data set can be trained on, not evaluated on"
    images_of: defaultdict[int, int] = defaultdict(int)
    for record in dataset.train:
        images_of[record.person] += 1
    single = sum(count == 1 for count in images_of.values())
    if single:
        yield f"{single} of {len(images_of)} training persons have one image only: no positive pair"
    distractors = sum(record.person == layout.distractor for record in dataset.gallery)
    if layout.distractor is not None and distractors:
        yield f"{distractors} gallery images are distractors (person {layout.distractor})"
    if dataset.query and dataset.gallery:
        lost = _queries_without_match(dataset)
        if lost:
            yield (
                f"{lost} of {len(dataset.query)} queries have no match in the gallery from another "
                "camera: they are not counted"
            )


def _queries_without_match(dataset: ReidDataset) -> int:
    cameras: defaultdict[int, set[int | None]] = defaultdict(set)
    for record in dataset.gallery:
        cameras[record.person].add(record.camera)

    def matched(query: Record) -> bool:
        seen = cameras.get(query.person, set())
        # without a camera on either side an image counts as one from another camera
        return bool(seen) if query.camera is None else bool(seen - {query.camera})

    return sum(not matched(query) for query in dataset.query)


_COLOUR: dict[State, str] = {"ok": "green", "differs": "yellow", "empty": "dim", "unknown": "dim"}


def render(report: CheckReport) -> Group:
    """The report for a terminal."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(report.name)} (layout {report.layout})", title_justify="left")
    table.add_column("part")
    for heading in ("persons", "images", "cameras", "published persons", "published images"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    for row in report.rows:
        numbers = (row.persons, row.images, row.cameras, row.official_persons, row.official_images)
        cells = ("-" if number is None else f"{number:,}" for number in numbers)
        table.add_row(row.part, *cells, f"[{_COLOUR[row.state]}]{row.state}[/]")
    lines = [f"[red]problem:[/] {escape(text)}" for text in report.problems]
    lines += [f"[yellow]note:[/] {escape(text)}" for text in report.hints]
    if report.ok:
        lines.append("[green]ready to use[/]")
    return Group(table, escape(str(report.root)), *lines)

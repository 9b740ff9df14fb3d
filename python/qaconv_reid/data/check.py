"""Whether a data set on disk is complete and readable, before any long work begins."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qaconv_reid.data.copies import about_copies, own_images
from qaconv_reid.data.counts import PartCheck, State, compare
from qaconv_reid.data.decoding import check_file
from qaconv_reid.data.inspection import Inspection
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.layouts.naming import is_image
from qaconv_reid.data.layouts.pattern import GROUPS
from qaconv_reid.data.loading import load
from qaconv_reid.data.records import (
    DataError,
    Record,
    ReidDataset,
    has_pairs,
    lone_identities,
    shorten,
)
from qaconv_reid.packed import listed
from qaconv_reid.text import printable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from qaconv_reid.data.layouts.pattern import Preview

#: How many images of each part are decoded where not all are.
_DECODED = 24

#: Files of other programs that lie among images and are none.
_LITTER = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found: ``problems`` stop a run, ``hints`` are for a person to judge."""

    name: str
    layout: str
    root: Path
    rows: tuple[PartCheck, ...]
    problems: tuple[str, ...]
    hints: tuple[str, ...]
    broken: int = 0
    """Files that cannot be read."""

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of using the data set."""
        return not self.problems


def check(
    path: str | Path,
    layout: str | None = None,
    *,
    pattern: str | None = None,
    inspection: Inspection | None = None,
) -> CheckReport:
    """Load a data set, compare its counts with the published ones and look at its files.

    Args:
        path: As for ``load``.
        layout: A name of ``LAYOUTS``; None recognizes it.
        pattern: As for ``load``.
        inspection: What looks at the files; None looks at their headers.

    Raises:
        DataError: It cannot be loaded at all.
    """
    return check_dataset(load(path, layout, pattern=pattern), inspection)


def check_dataset(
    dataset: ReidDataset,
    inspection: Inspection | None = None,
    *,
    skip_broken: bool = False,
    every_crop: bool = False,
) -> CheckReport:
    """The same for a data set that is loaded (without ``combine_all``).

    Args:
        dataset: Which.
        inspection: What looks at the files; None looks at their headers, and decodes a few.
        skip_broken: Broken images are no problem.
        every_crop: Every image is a query: that none is there for it is no problem either.
    """
    layout = LAYOUTS[dataset.layout]
    inspection = inspection or Inspection()
    edition, rows = compare(dataset, layout)
    broken = _broken(dataset, inspection)
    told = [
        f"{part}: {len(errors)} of {len(dataset.parts[part])} images cannot be read: "
        f"{shorten(errors)}"
        for part, errors in broken.items()
        if errors
    ]
    hints = [
        *_count_warnings(edition, layout, rows),
        *_usability(dataset),
        *about_copies(dataset, inspection),
        *filter(None, [own_images(dataset, inspection)]),
        *_left_out(dataset),
        *dataset.notes,
    ]
    problems = [*(() if skip_broken else told), *_problems(dataset, every_crop)]
    return CheckReport(
        dataset.name,
        dataset.layout,
        dataset.root,
        rows,
        problems=tuple(map(printable, problems)),
        hints=tuple(map(printable, [*(told if skip_broken else ()), *hints])),
        broken=sum(map(len, broken.values())),
    )


def _count_warnings(
    edition: str | None, layout: Layout, rows: tuple[PartCheck, ...]
) -> Iterator[str]:
    differing = [row.part for row in rows if row.differs]
    if differing:
        yield (
            f"counts of {', '.join(differing)} differ from the published ones of {edition}: to be "
            "expected of your own images in this layout, else an incomplete copy or another version"
        )
    if edition is None and layout.official:
        yield (
            f"the names are those of {layout.name}, the counts those of none of its published "
            f"editions ({', '.join(layout.official)})"
        )


def _broken(dataset: ReidDataset, inspection: Inspection) -> dict[str, list[str]]:
    """What is wrong with the files of each part, by their headers and a few that are decoded."""
    found = {part: inspection.broken(records) for part, records in dataset.parts.items()}
    if inspection.decode:
        return found
    for part, records in dataset.parts.items():
        for record in _sample(inspection.readable(records)):
            try:
                check_file(record.path, decode=True)
            except DataError as error:
                found[part].append(str(error))
    return found


def _problems(dataset: ReidDataset, every_crop: bool) -> Iterator[str]:
    if bool(dataset.query) != bool(dataset.gallery) and not every_crop:
        there, absent = ("query", "gallery") if dataset.query else ("gallery", "query")
        yield f"there are {there} images but no {absent} images: nothing can be evaluated"
    elif (
        not dataset.query
        and not dataset.gallery
        and not has_pairs(record.person for record in dataset.train)
    ):
        yield "no training identity has two images: nothing can be learnt from pairs"


def _sample(records: Sequence[Record]) -> list[Record]:
    """The first, the last and evenly spaced ones between, ``_DECODED`` at most."""
    if len(records) <= _DECODED:
        return list(records)
    last = len(records) - 1
    return [records[round(i * last / (_DECODED - 1))] for i in range(_DECODED)]


def _usability(dataset: ReidDataset) -> Iterator[str]:
    """What the data set can be used for, as far as it cannot be used for everything."""
    if not dataset.train:
        yield "train is empty: the data set can be evaluated on, not trained on"
    if not dataset.query and not dataset.gallery:
        yield "query and gallery are empty: the data set can be trained on, not evaluated on"
    lone = lone_identities(record.person for record in dataset.train)
    if lone is not None:
        yield lone
    distractors = sum(record.person == dataset.distractor for record in dataset.gallery)
    if dataset.distractor is not None and distractors:
        yield f"{distractors} gallery images are distractors (pid {dataset.distractor})"
    if dataset.query and dataset.gallery:
        lost = _queries_without_match(dataset)
        if lost:
            yield (
                f"{lost} of {len(dataset.query)} queries have no match in the gallery from another "
                "camera: they are not counted"
            )


def _left_out(dataset: ReidDataset) -> Iterator[str]:
    """Files beside the images that were not taken for images."""
    if not dataset.root.is_dir() or dataset.layout in ("csv", "msmt17"):  # lists name theirs
        return
    folders = {record.path.parent for records in dataset.parts.values() for record in records}
    endings: Counter[str] = Counter()
    for folder in folders:
        endings.update(
            os.path.splitext(entry.name)[1].lower() or "without an ending"
            for entry in listed(folder)
            if not (is_image(entry.name) or entry.name.startswith("."))
            and entry.name.lower() not in _LITTER
            and entry.is_file()
        )
    if endings:
        kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
        yield f"{endings.total()} files beside the images are none by their names: {kinds}"


def _queries_without_match(dataset: ReidDataset) -> int:
    cameras: defaultdict[int, set[int | None]] = defaultdict(set)
    for record in dataset.gallery:
        cameras[record.person].add(record.camera)

    def matched(query: Record) -> bool:
        seen = cameras.get(query.person, set())
        # without a camera on either side an image counts as one from another camera
        return bool(seen) if query.camera is None else bool(seen - {query.camera})

    return sum(not matched(query) for query in dataset.query)


_COLOR: dict[State, str] = {"ok": "green", "differs": "yellow", "empty": "dim", "unknown": "dim"}


def render(report: CheckReport) -> Group:
    """The report for a terminal."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(report.name)} (layout {report.layout})", title_justify="left")
    table.add_column("part")
    for heading in ("identities", "images", "cameras", "published identities", "published images"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    for row in report.rows:
        numbers = (
            row.identities,
            row.images,
            row.cameras,
            row.official_identities,
            row.official_images,
        )
        cells = ("-" if number is None else f"{number:,}" for number in numbers)
        table.add_row(row.part, *cells, f"[{_COLOR[row.state]}]{row.state}[/]")
    lines = [f"[red]problem:[/] {escape(text)}" for text in report.problems]
    lines += [f"[yellow]note:[/] {escape(text)}" for text in report.hints]
    if report.ok:
        lines.append("[green]ready to use[/]")
    return Group(table, escape(printable(report.root)), *lines)


def render_preview(previews: Sequence[Preview]) -> Table:
    """What a pattern makes of some paths, for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="What data.pattern makes of the first paths",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("path", overflow="fold")
    table.add_column("part")
    for name in GROUPS:
        table.add_column(name)
    for one in previews:
        groups = one.groups or {}
        cells = [groups.get(name, "-") for name in GROUPS] if one.groups else ["not found"]
        row = [one.path, one.part or "-", *cells]
        table.add_row(*(Text(printable(cell)) for cell in row), style=None if groups else "yellow")
    return table

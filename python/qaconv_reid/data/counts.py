"""The counts of a data set beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qaconv_reid.data.layouts import Counts, Layout
from qaconv_reid.data.records import PARTS, Record, ReidDataset

#: How a part's counts compare with the published ones; "unknown" where none are published.
State = Literal["ok", "differs", "empty", "unknown"]


@dataclass(frozen=True, slots=True)
class PartCheck:
    """One part (or ``"all"`` parts together): its counts beside the published ones.

    Distractors count as images, not as identities.
    """

    part: str
    identities: int
    images: int
    cameras: int
    official_identities: int | None
    official_images: int | None
    state: State

    @property
    def differs(self) -> bool:
        """Whether a count was published and this is not it."""
        published = (self.official_identities, self.official_images) != (None, None)
        return self.state == "differs" or (self.state == "empty" and published)


def compare(dataset: ReidDataset, layout: Layout) -> tuple[str | None, tuple[PartCheck, ...]]:
    """The published edition that fits best, and a row for each part.

    None where none is known, and where there are several and neither the counts of a part nor the
    folder's name is that of one.

    Args:
        dataset: As loaded, without ``combine_all``.
        layout: The layout it was loaded by.
    """
    found = {**dataset.parts, "all": tuple(r for part in dataset.parts.values() for r in part)}

    def rows(official: Mapping[str, Counts]) -> tuple[PartCheck, ...]:
        parts = (*PARTS, "all") if "all" in official else PARTS
        return tuple(
            _row(part, found[part], dataset.distractor, official.get(part)) for part in parts
        )

    compared = {edition: rows(official) for edition, official in layout.official.items()}
    if not compared:
        return None, rows({})

    def agreement(edition: str) -> tuple[int, bool]:
        return sum(row.state == "ok" for row in compared[edition]), edition in dataset.name

    best = max(compared, key=agreement)
    if len(compared) > 1 and agreement(best) == (0, False):
        return None, rows({})
    return best, compared[best]


def is_published(dataset: ReidDataset, layout: Layout) -> bool:
    """Whether the counts are those published, so that the images are likely to be, too.

    Those of query and gallery are enough, as results are of these; where none are published, those
    of all parts that are. Always true of a layout that was never published as one data set.
    """
    if not layout.official:
        return True
    _, rows = compare(dataset, layout)
    published = [
        row for row in rows if (row.official_identities, row.official_images) != (None, None)
    ]
    searched = [row for row in published if row.part in ("query", "gallery")]
    return bool(published) and all(row.state == "ok" for row in searched or published)


def _row(
    part: str, records: Sequence[Record], distractor: int | None, official: Counts | None
) -> PartCheck:
    identities = len({record.person for record in records} - {distractor})
    cameras = len({record.camera for record in records} - {None})
    wanted = official or Counts(None, None)
    state: State = "ok"
    if not records:
        state = "empty"
    elif wanted == Counts(None, None):
        state = "unknown"
    elif wanted.identities not in (None, identities) or wanted.images not in (None, len(records)):
        state = "differs"
    return PartCheck(part, identities, len(records), cameras, *wanted, state)

"""Whom each identity is taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import RenderableType
from rich.table import Table

__all__ = ["Confusion", "confusions", "confusions_table"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """An identity, and whose images came first for its queries."""

    person: int
    queries: int
    right: int
    """Queries whose first image shows the person."""
    taken_for: tuple[tuple[int, int], ...]
    """Other identities and how many queries each came first for, the most often first."""


def confusions(first: Iterable[tuple[int, int]]) -> list[Confusion]:
    """Count them.

    Args:
        first: for each query its identity, and that of the first image of its ranking.

    Returns:
        One for each identity, the most often mistaken first; of equal ones the lower number.
    """
    counts: dict[int, Counter[int]] = {}
    for person, found in first:
        counts.setdefault(person, Counter())[found] += 1
    rows = []
    for person, found_counts in counts.items():
        others = [(other, n) for other, n in found_counts.items() if other != person]
        others.sort(key=lambda pair: (-pair[1], pair[0]))
        right = found_counts[person]
        rows.append(Confusion(person, found_counts.total(), right, tuple(others)))
    return sorted(rows, key=lambda row: (row.right - row.queries, row.person))


def confusions_table(rows: Sequence[Confusion], *, title: str, limit: int = 8) -> RenderableType:
    """The most mistaken identities, a row each."""
    table = Table(title=title, padding=(0, 1, 0, 0), box=box.SIMPLE_HEAD)
    table.add_column("Identity", justify="right")
    table.add_column("Right", justify="right", no_wrap=True)
    table.add_column("Taken for (times)")
    for row in rows[:limit]:
        others = ", ".join(f"{other} ({n})" for other, n in row.taken_for[:5]) or "nobody else"
        table.add_row(str(row.person), f"{row.right} of {row.queries}", others)
    return table

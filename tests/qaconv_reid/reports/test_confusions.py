"""Whom each identity is taken for."""

from __future__ import annotations

from rich.console import Console

from qaconv_reid.reports import Confusion, confusions, confusions_table


def test_the_most_mistaken_come_first():
    first = [(1, 1), (1, 2), (2, 3), (2, 3), (2, 1), (3, 3), (4, 1)]
    assert confusions(first) == [
        Confusion(2, 3, 0, ((3, 2), (1, 1))),
        Confusion(1, 2, 1, ((2, 1),)),
        Confusion(4, 1, 0, ((1, 1),)),
        Confusion(3, 1, 1, ()),
    ]


def test_the_table_names_them():
    console = Console(width=80)
    with console.capture() as capture:
        console.print(confusions_table(confusions([(1, 2), (1, 2), (5, 5)]), title="mistaken"))
    shown = capture.get()
    assert "0 of 2" in shown
    assert "2 (2)" in shown
    assert "nobody else" in shown

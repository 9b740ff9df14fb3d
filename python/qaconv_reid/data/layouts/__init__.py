"""The known layouts: one file each, one line each in ``LAYOUTS``."""

from __future__ import annotations

from qaconv_reid.data.layouts import (
    clonedperson,
    csv_list,
    cuhk03,
    duke,
    folder,
    market,
    msmt17,
    pattern,
    randperson,
)
from qaconv_reid.data.layouts.layout import Counts, Layout

#: Every layout by its name, in the order they are tried.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        market.LAYOUT,
        cuhk03.LAYOUT,
        duke.LAYOUT,
        msmt17.LAYOUT,
        randperson.LAYOUT,
        clonedperson.LAYOUT,
        csv_list.LAYOUT,
        folder.LAYOUT,
        pattern.LAYOUT,
    )
}

__all__ = ["LAYOUTS", "Counts", "Layout"]

"""docs/models.md names every backbone, layout and package that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from qaconv_reid.models import BACKBONES, PACKAGED_WEIGHTS
from qaconv_reid.models.layouts import LAYOUTS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "models.md").read_text()


def rows(heading: str) -> list[str]:
    """The first cells of the first table below a heading."""
    section = PAGE.split(f"{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    return [line.split("|")[1].strip() for line in table.group(0).splitlines()[2:]]


def test_the_backbones():
    names = re.findall(r"`([\w:]+)`", " ".join(rows("## Backbones")))
    assert names == [*BACKBONES, "timm:NAME"]


def test_the_channels_of_each_cut():
    for line in PAGE.split("## Backbones\n", 1)[1].splitlines():
        numbers = re.search(r"\| (\d+), (\d+), (\d+) \|$", line)
        if numbers is None:
            continue
        for name in re.findall(r"`(\w+)`", line.split("|")[1]):
            stages = BACKBONES[name].stages
            given = [stages[f"layer{n}"].channels for n in (2, 3, 4)]
            assert given == [int(number) for number in numbers.groups()], name


def test_the_layouts():
    assert rows("### Whose files") == list(dict.fromkeys(layout.name for layout in LAYOUTS))


def test_the_packages():
    assert [cell.strip("`") for cell in rows("## Weights")] == list(PACKAGED_WEIGHTS)

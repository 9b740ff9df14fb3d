"""Pictures of ranked lists."""

from __future__ import annotations

import pytest
from PIL import Image

from qaconv_reid.data import open_rgb
from qaconv_reid.reports import Found, RankedList, Sighting, ranked_picture


@pytest.fixture
def row(tmp_path):
    """A query, a wrong image, a right one further behind."""
    files = []
    for number, color in enumerate(((10, 20, 200), (200, 200, 10), (90, 90, 90))):
        files.append(tmp_path / f"{number}.png")
        Image.new("RGB", (30, 60), color).save(files[-1])
    query, wrong, right = (
        Sighting(file, person, camera, 12.0)
        for file, person, camera in zip(files, (1, 2, 1), (1, 2, None), strict=True)
    )
    first = Found(right, 7, True, 0.5)
    return RankedList(query, (Found(wrong, 1, False, 3.25, 0.96),), first, 1 / 7)


def test_right_and_wrong_are_framed_and_the_first_match_comes_last(row):
    picture = ranked_picture([row, row], "lists", open_rgb)
    y = 56 + 70  # in the middle of a frame's left side
    wrong, right = picture.getpixel((72 + 14 + 2, y)), picture.getpixel((2 * 72 + 28 + 2, y))
    assert wrong[0] > 2 * max(wrong[1:])
    assert right[1] > 1.3 * max(right[0], right[2])
    assert picture.getpixel((36, y)) == (10, 20, 200)
    assert picture.getpixel((2 * 72 + 28 + 36, y)) == (90, 90, 90)


def test_words(row):
    (found,) = row.found
    assert found.words == "3.2  96 %"
    assert found.image.words == ("cam 2", "12 s")
    assert row.first.words == "0.5"
    assert row.first.image.words == ("", "12 s")
    assert row.first_words == "first match: 7"
    assert RankedList(row.query, row.found, None, 0.0).first_words == "no match"


def test_a_query_without_a_match(row):
    without = RankedList(row.query, row.found, None, 0.0)
    assert (
        ranked_picture([without], "lists", open_rgb).height
        < ranked_picture([row, row], "lists", open_rgb).height
    )

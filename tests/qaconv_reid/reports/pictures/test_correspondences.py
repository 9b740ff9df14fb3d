"""Pictures of why two images match."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from qaconv_ext.correspondence import Correspondences, Match
from qaconv_reid.reports import MatchPicture, correspondence_picture, save_picture


def a_match(parts, names=("a.jpg", "b.jpg")):
    """A match of maps ``[2, 1]`` whose positions match row by row, with these parts."""
    heat = torch.tensor(parts, dtype=torch.float64)[:, None] / 2
    matches = [Match((row, 0), (row, 0), 0.5, part) for row, part in enumerate(parts)]
    matches.sort(key=lambda match: -abs(match.contribution))
    images = Image.new("RGB", (20, 40), (128, 128, 128)), Image.new("RGB", (10, 10), (90, 90, 90))
    rows = torch.arange(len(parts))[:, None]
    half = torch.full(heat.shape, 0.5)
    found = Correspondences(heat, heat, rows, rows, half, half, 0.0, tuple(matches))
    return MatchPicture(images, names, found, "score 1")


def between(picture, row):
    """Which colors lie in the middle of the picture, at the height of a row of positions."""
    near = [
        picture.getpixel((x, y))
        for y in range(110 + 100 * row, 160 + 100 * row)
        for x in range(270, 330)
    ]
    strong = [color for color in near if max(color) - min(color) > 100]
    return {"blue" if blue > red else "orange" for red, _, blue in strong}


def test_what_speaks_for_and_against_has_its_color():
    picture = correspondence_picture(a_match([2.0, -1.0]), height=200)
    assert between(picture, 0) == {"blue"}
    assert between(picture, 1) == {"orange"}


@pytest.mark.parametrize("options", [{"top": 1}, {"threshold": 1.5}])
def test_fewer_lines_can_be_asked_for(options):
    picture = correspondence_picture(a_match([2.0, -1.0]), height=200, **options)
    assert between(picture, 0) == {"blue"}
    assert between(picture, 1) == set()


def test_nothing_to_show_and_long_names():
    match = a_match([0.0, 0.0], ("n" * 300 + ".jpg", "[b]ü" * 90))
    assert correspondence_picture(match, top=0).width < 1500


def test_files_are_written_whole_in_the_format_of_their_ending(tmp_path):
    picture = Image.new("RGB", (4, 4))
    for name, kind in (("a.png", "PNG"), ("b.jpg", "JPEG"), ("c.webp", "WEBP")):
        save_picture(picture, tmp_path / "new" / name)
        with Image.open(tmp_path / "new" / name) as written:
            assert written.format == kind
    with pytest.raises(ValueError, match=r"wanted a file ending in \.png, \.jpg"):
        save_picture(picture, tmp_path / "new" / "d.txt")
    assert len(list((tmp_path / "new").iterdir())) == 3

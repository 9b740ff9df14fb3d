"""Pictures of ranked lists."""

from __future__ import annotations

from PIL import Image

from qaconv_reid.reports import RankedList, ranked_picture


def test_right_and_wrong_are_framed(tmp_path):
    files = []
    for number, colour in enumerate(((10, 20, 200), (200, 200, 10), (90, 90, 90))):
        files.append(tmp_path / f"{number}.png")
        Image.new("RGB", (30, 60), colour).save(files[-1])
    row = RankedList(files[0], ((files[1], True), (files[2], False)))
    ranked_picture([row, row], "lists", tmp_path / "new" / "lists.png")
    with Image.open(tmp_path / "new" / "lists.png") as picture:
        assert picture.size == (3 * 72 + 14, 18 + 2 * 136)
        green, red = picture.getpixel((72 + 14 + 1, 40)), picture.getpixel((2 * 72 + 14 + 1, 40))
        assert green[1] > 2 * max(green[0], green[2])
        assert red[0] > 2 * max(red[1], red[2])
        assert picture.getpixel((36, 80)) == (10, 20, 200)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lists.png"]

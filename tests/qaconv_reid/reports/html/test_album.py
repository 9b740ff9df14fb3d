"""Pictures inside a page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from qaconv_reid.reports.html import Album


def test_a_picture_is_a_jpeg_in_the_page():
    album = Album(10_000)
    album.add("a", Image.new("RGB", (7, 5), (200, 10, 10)))
    kind, _, text = album.uri("a").partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        assert picture.size == (7, 5)
    assert "a" in album
    assert album.uri("b") is None


def test_what_there_is_no_room_for_is_counted():
    picture = Image.effect_noise((64, 64), 80)
    album = Album(1_000_000)
    album.add("a", picture)
    size = len(album.uri("a"))
    album = Album(2 * size + 10)
    for name in ("a", "b", "a", "c"):
        album.add(name, picture)
    assert album.uri("b") is not None
    assert album.uri("c") is None
    assert album.left_out == 1

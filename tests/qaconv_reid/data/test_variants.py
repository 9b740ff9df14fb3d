"""Variants of test images: what is drawn, and that everybody sees the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qaconv_reid.data import (
    DataError,
    ImageDataset,
    Record,
    Variant,
    Views,
    load,
    parse_variant,
    read_image,
    variant_name,
)
from support.images import save_images, write_market


@pytest.fixture
def grid():
    """An image of 100 × 40 whose pixels say where they are."""
    rows, columns = np.mgrid[:100, :40]
    return Image.fromarray(np.stack([rows, columns, rows * 0 + 255], axis=2).astype(np.uint8))


def drawn(variant, image, number):
    return np.asarray(variant.applied(image, Path(f"query/{number:04d}.jpg"))).astype(int)


def test_each_side_of_the_box_moves_by_up_to_its_share(grid):
    variant = Variant("shaken", 0.2)
    heights, widths, tops, lefts = [], [], [], []
    for number in range(200):
        pixels = drawn(variant, grid, number)
        rows, columns = pixels[:, 0, 0], pixels[0, :, 1]
        heights.append(len(rows))
        widths.append(len(columns))
        # Every pixel is one of the image; beyond the edge the edge goes on.
        assert set(np.diff(rows)) <= {0, 1}
        assert (pixels[..., 0] == rows[:, None]).all()
        assert (pixels[..., 1] == columns).all()
        tops.append(rows[0] - (rows == 0).sum() + (rows[0] == 0))
        lefts.append(columns[0] - (columns == 0).sum() + (columns[0] == 0))
    for moves, size in ((tops, 100), (lefts, 40)):
        assert -0.2 * size <= min(moves) < -0.16 * size
        assert 0.16 * size < max(moves) <= 0.2 * size
    assert 60 <= min(heights) < 80 < 120 < max(heights) <= 140
    assert 24 <= min(widths) < 32 < 48 < max(widths) <= 56


def test_a_greater_share_goes_further_the_same_way(grid):
    sizes = [
        [drawn(Variant("shaken", share), grid, number).shape[0] - 100 for number in range(20)]
        for share in (0.1, 0.2)
    ]
    np.testing.assert_allclose(np.array(sizes[0]) * 2, sizes[1], atol=3)


def test_a_share_of_the_top_the_bottom_or_a_side_is_gray(grid):
    seen = []
    for number in range(300):
        pixels = drawn(Variant("hidden", 0.3), grid, number)
        assert pixels.shape == (100, 40, 3)
        gray = (pixels == 128).all(axis=2)
        assert gray.mean() == pytest.approx(0.3)
        places = {
            "top": gray[:30].all(),
            "bottom": gray[-30:].all(),
            "left": gray[:, :12].all(),
            "right": gray[:, -12:].all(),
        }
        (place,) = (name for name, covered in places.items() if covered)
        seen.append(place)
        np.testing.assert_array_equal(pixels[~gray], np.asarray(grid)[~gray])
    for place, share in (("top", 1 / 3), ("bottom", 1 / 3), ("left", 1 / 6), ("right", 1 / 6)):
        assert seen.count(place) / 300 == pytest.approx(share, abs=0.09)


@pytest.mark.parametrize("share", [0.01, 0.49])
def test_the_smallest_pictures_stay_pictures(share):
    for number in range(50):
        for size in ((1, 1), (2, 3)):
            image = Image.new("RGB", size)
            assert min(drawn(Variant("shaken", share), image, number).shape) >= 1
            assert drawn(Variant("hidden", share), image, number).any()


def test_what_is_drawn_is_the_names_and_the_seeds_alone(grid):
    variant = Variant("shaken", 0.2)

    def made(path, variant=variant):
        return variant.applied(grid, Path(path)).tobytes()

    assert made("/here/query/a.jpg") == made("there/query/a.jpg")
    assert made("query/a.jpg") != made("query/b.jpg")
    assert made("query/a.jpg") != made("bounding_box_test/a.jpg")
    assert made("query/a.jpg") != made("query/a.jpg", Variant("shaken", 0.2, seed=1))


def test_the_draw_is_that_of_every_version():
    """Figures of different versions are compared: what is drawn must not change."""
    sizes = [
        Variant("shaken", 0.2).applied(Image.new("RGB", (100, 200)), Path(f"query/{n}.jpg")).size
        for n in range(3)
    ]
    assert sizes == [(72, 171), (103, 242), (91, 179)]


def test_images_are_varied_wherever_they_are_read(tmp_path):
    write_market(tmp_path / "people", 1, 2)
    dataset = load(tmp_path / "people")
    variant = Variant("hidden", 0.5)
    seen = Views((None, variant)).seen(dataset, variant)
    assert seen.name == "people, hidden=0.5"
    assert seen.train == dataset.train
    for plain, varied in zip(dataset.gallery, seen.gallery, strict=True):
        assert varied == replace(plain, variant=variant)
        pixels = np.asarray(read_image(varied))
        assert (pixels == 128).all(axis=2).mean() >= 0.5
        tensor, _ = ImageDataset([varied], *pixels.shape[:2])[0]
        np.testing.assert_array_equal(tensor.permute(1, 2, 0), pixels)
    assert Views().seen(dataset, None) is dataset


def test_words_become_variants_and_back():
    for text in ("shaken=0.1", "hidden=0.33", "shaken=0.2@7", "plain"):
        assert variant_name(parse_variant(text)) == text
    views = Views.parse(["plain", "shaken=0.1", "shaken=0.10"])
    assert views.variants == (None, Variant("shaken", 0.1))
    assert views.words == ["--variant plain", "--variant shaken=0.1"]
    assert Views.parse([]) == Views()
    assert Views().words == []
    assert Views.parse([], every_crop=True).words == ["--every-crop"]


def test_every_image_but_distractors_becomes_a_query(tmp_path):
    write_market(tmp_path / "people", 1, 2)
    save_images(tmp_path / "people" / "bounding_box_test", ["0000_c1s1_000007_01.jpg"])
    dataset = load(tmp_path / "people")
    seen = Views(every_crop=True).seen(dataset, Variant("shaken", 0.1))
    assert seen.every_crop
    assert not dataset.every_crop
    assert len(seen.query) == len(dataset.query) + len(dataset.gallery) - 1
    assert seen.gallery[:-1] == seen.query
    assert [record.person for record in seen.gallery].index(0) == len(seen.query)
    assert all(record.variant == Variant("shaken", 0.1) for record in seen.gallery)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bent=0.1", "--variant: got 'bent', wanted one of shaken, hidden"),
        ("shaken", "--variant: got 'shaken', wanted plain or shaken=SHARE, hidden=SHARE"),
        ("shaken=much", "--variant: got 'shaken=much'"),
        ("shaken=0.5", "--variant: got shaken=0.5, wanted more than 0 and less than 0.5"),
        ("hidden=nan", "--variant: got hidden=nan, wanted more than 0 and less than 1"),
        ("hidden=0.3@-1", "--variant: got the seed -1, wanted 0 or more"),
        ("", "--variant: got ''"),
    ],
)
def test_what_is_no_variant_is_named(text, said):
    with pytest.raises(DataError) as caught:
        parse_variant(text)
    assert said in str(caught.value)


def test_a_record_without_variant_is_read_as_it_is(tmp_path, grid):
    grid.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(Record(tmp_path / "a.png", 1)), grid)

import re

import pytest

from qaconv_reid.data.layouts.naming import fits, list_images, number_labels
from support.images import save_images


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["0007", "0002", "0007"], {"0002": 2, "0007": 7}),
        (["10", "9"], {"10": 10, "9": 9}),
        (["1", "01"], {"01": 0, "1": 1}),
        (["7", "ann"], {"7": 0, "ann": 1}),
        ([], {}),
    ],
)
def test_number_labels(labels, numbers):
    assert number_labels(labels) == numbers


def test_images_are_listed_in_order_whatever_the_case_of_the_suffix(tmp_path):
    save_images(tmp_path, ["b.JPG", "a.png", ".hidden.jpg"])
    (tmp_path / "Thumbs.db").touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG"]
    assert list_images(tmp_path / "absent") == []


def test_a_folder_fits_by_the_majority_of_its_names(tmp_path):
    pattern = re.compile(r"\d+\.")
    assert not fits(tmp_path, pattern)
    save_images(tmp_path, ["1.jpg", "x.jpg"])
    assert not fits(tmp_path, pattern)
    save_images(tmp_path, ["2.jpg"])
    assert fits(tmp_path, pattern)

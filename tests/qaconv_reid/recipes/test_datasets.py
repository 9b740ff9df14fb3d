"""Test sets of one name."""

import pytest
from PIL import Image

from qaconv_reid.data import DataError
from qaconv_reid.recipes.datasets import load_test_sets


@pytest.fixture
def make(tmp_path):
    """A data set at a place below an empty folder."""

    def build(place):
        for part, camera in (("query", 1), ("bounding_box_test", 2), ("bounding_box_train", 1)):
            folder = tmp_path / place / part
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 16)).save(folder / f"0001_c{camera}s1_000001_00.png")
        return str(tmp_path / place)

    return build


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (("plaza", "mall"), ["plaza", "mall"]),
        (("one/plaza", "two/plaza"), ["plaza (one)", "plaza (two)"]),
        (("one/x/plaza", "two/x/plaza", "mall"), ["plaza (one)", "plaza (two)", "mall"]),
        (
            ("one/x/plaza", "two/x/plaza", "two/y/plaza"),
            ["plaza (1)", "plaza (2)", "plaza (3)"],
        ),
    ],
)
def test_test_sets_of_one_name_are_told_apart(make, places, names):
    datasets = load_test_sets([make(place) for place in places])
    assert [dataset.name for dataset in datasets] == names


def test_the_same_set_twice_is_refused(make, tmp_path):
    place = make("plaza")
    (tmp_path / "other").symlink_to(place)
    with pytest.raises(
        DataError, match=r"data\.test: got .*other twice, wanted each data set once"
    ):
        load_test_sets([place, str(tmp_path / "other")])

"""RandPerson and ClonedPerson."""

import pytest

from qaconv_reid.data import DataError, load, recognize
from support.images import save_images

SCENES = 13


def test_randperson_cameras_and_times(tmp_path):
    save_images(
        tmp_path / "randperson_subset",
        ["000000_s00_c01_f000264.jpg", "000003_s04_c00_f000048.jpg", "007999_s10_c03_f000024.jpg"],
    )
    dataset = load(tmp_path)
    assert dataset.layout == "randperson"
    assert dataset.query == dataset.gallery == ()
    assert [(r.person, r.camera, r.time) for r in dataset.train] == [
        (0, 0 + 1, 264 / 24),
        (3, 8 + 0, (640_000 + 48) / 24),
        (7999, 15 + 3, (3_490_000 + 24) / 24),
    ]


def test_randperson_offsets_of_every_scene(tmp_path):
    save_images(
        tmp_path / "randperson_subset", [f"00000{0}_s{s:02d}_c00_f000000.jpg" for s in range(11)]
    )
    train = load(tmp_path).train
    assert [r.camera for r in train] == [0, 2, 4, 6, 8, 9, 10, 12, 13, 14, 15]
    assert [r.time * 24 for r in train if r.time is not None] == [
        *(0, 160000, 340000, 490000, 640000, 1070000, 1330000, 1590000, 1890000, 3190000, 3490000)
    ]


def test_randperson_scene_without_an_offset(tmp_path):
    save_images(tmp_path / "randperson_subset", ["000000_s11_c00_f000000.jpg"])
    with pytest.raises(DataError, match="got scene 11, wanted 0 to 10"):
        load(tmp_path)


def test_randperson_folder_itself_may_be_given(tmp_path):
    save_images(tmp_path / "randperson_subset", ["000000_s00_c00_f000000.jpg"])
    assert len(load(tmp_path / "randperson_subset").train) == 1


def test_clonedperson_parts_persons_and_times(tmp_path):
    save_images(tmp_path / "train", ["700000_s02_c00_f023389.jpg"])
    save_images(tmp_path / "test/query", ["800000_s03_c01_f000024.jpg"])
    save_images(tmp_path / "test/gallery", ["800000_s12_c03_f000048.jpg"])
    dataset = load(tmp_path)
    assert dataset.layout == "clonedperson"
    assert [(r.person, r.camera, r.time) for r in dataset.train] == [(700000, 0, 23389 / 24)]
    assert [(r.person, r.camera, r.time) for r in dataset.query] == [(800000, 5, 1.0)]
    assert [(r.person, r.camera, r.time) for r in dataset.gallery] == [(800000, 23, 2.0)]


def test_clonedperson_cameras_come_from_the_scene_in_the_name(tmp_path):
    # The authors' loader takes scene 2 for every image, so that 24 cameras become 4.
    save_images(
        tmp_path / "train",
        [f"700000_s{s:02d}_c{c:02d}_f000000.jpg" for s in range(SCENES) for c in range(4)],
    )
    train = load(tmp_path).train
    offsets = [r.camera for r in train][::4]
    assert offsets == [0, 0, 0, 4, 4, 8, 12, 12, 12, 12, 16, 16, 20]
    assert {r.camera for r in train} == set(range(24))


def test_clonedperson_without_its_test_part(tmp_path):
    save_images(tmp_path / "train", ["700000_s02_c00_f023389.jpg"])
    dataset = load(tmp_path)
    assert (len(dataset.train), dataset.query, dataset.gallery) == (1, (), ())


def test_rendered_names_sorted_by_person_are_a_folder_layout(tmp_path):
    save_images(tmp_path, ["a/700000_s02_c00_f000001.jpg", "b/700001_s02_c00_f000001.jpg"])
    assert recognize(tmp_path) == "folder"

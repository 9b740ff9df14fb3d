import pytest

from qaconv_reid.data import DataError, load
from support.images import save_images, write_person_folders

NO_CAMERAS = "no camera numbers: the same-camera rule is off"


def test_one_folder_per_person(tmp_path):
    write_person_folders(tmp_path, persons=3, shots=2, height=16, width=8)
    dataset = load(tmp_path)
    assert dataset.layout == "folder"
    assert dataset.name == tmp_path.name
    assert [r.person for r in dataset.train] == [1, 1, 2, 2, 3, 3]
    assert [r.path.name for r in dataset.train[:2]] == ["000.png", "001.png"]
    assert {(r.camera, r.time) for r in dataset.train} == {(None, None)}
    assert "no folders train, query, gallery: every image is in train" in dataset.notes
    assert NO_CAMERAS not in dataset.notes  # the rule concerns queries only


def test_parts_share_the_numbers_of_their_persons(tmp_path):
    save_images(tmp_path, ["train/ann/1.jpg", "query/cid/1.jpg", "gallery/bob/1.jpg"])
    save_images(tmp_path, ["gallery/cid/2.jpg"])
    dataset = load(tmp_path)
    assert [r.person for r in dataset.train] == [0]
    assert [r.person for r in dataset.query] == [2]
    assert [r.person for r in dataset.gallery] == [1, 2]
    assert NO_CAMERAS in dataset.notes


def test_what_is_left_out_is_said(tmp_path):
    save_images(tmp_path, ["train/ann/1.jpg", "train/loose.jpg", "spare/bob/1.jpg"])
    (tmp_path / "train/nobody").mkdir()
    notes = load(tmp_path).notes
    assert "folders left out beside train: 'spare'" in notes
    assert "train: 1 images outside a person's folder left out: 'loose.jpg'" in notes
    assert "train: 1 folders without images left out: 'nobody'" in notes


def test_a_folder_named_test_is_no_person(tmp_path):
    save_images(tmp_path, ["ann/1.jpg", "test/1.jpg"])
    with pytest.raises(DataError, match="got the folder 'test' among the persons"):
        load(tmp_path)


def test_other_images_in_the_three_folders_are_not_three_persons(tmp_path):
    folders = ("bounding_box_train", "bounding_box_test", "query")
    save_images(tmp_path, [f"{folder}/photo.jpg" for folder in folders])
    with pytest.raises(DataError, match="layout not recognised"):
        load(tmp_path)

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
    with pytest.raises(DataError, match="got the folder 'test' among the identities"):
        load(tmp_path)


def test_other_images_in_the_three_folders_are_not_three_persons(tmp_path):
    folders = ("bounding_box_train", "bounding_box_test", "query")
    save_images(tmp_path, [f"{folder}/photo.jpg" for folder in folders])
    with pytest.raises(DataError, match="layout not recognized"):
        load(tmp_path)


@pytest.mark.parametrize(
    "folders",
    [
        ("training", "gallery_all", "probe"),
        ("image_train", "image_query", "image_test"),
        ("images_detected",),
        ("images_detected", "images_labeled"),
        ("cam1", "cam2"),
        ("c1", "c2", "c6"),
        ("gt_bbox", "0001"),
        ("nan", "0001"),
        ("a/train", "b/train"),
    ],
)
def test_parts_and_cameras_are_no_persons(tmp_path, folders):
    save_images(tmp_path, [f"{folder}/0002_{i}.jpg" for folder in folders for i in range(2)])
    with pytest.raises(
        DataError, match=r"among the identities, wanted .*data\.pattern|not recognized"
    ):
        load(tmp_path)


def test_a_folder_whose_names_tell_many_persons_is_none(tmp_path):
    names = [f"{who:04d}_c{camera}s1_000100_01.jpg" for who in (2, 7) for camera in (1, 2)]
    save_images(tmp_path, [f"{folder}/{name}" for folder in ("left", "right") for name in names])
    with pytest.raises(DataError, match=r"the names in 'left' tell 2 identities \('0002', '0007'"):
        load(tmp_path)


def test_a_folder_whose_names_begin_with_many_numbers_is_none(tmp_path):
    names = [f"{who:04d}_{shot}.jpg" for who in range(9) for shot in range(3)]
    save_images(tmp_path, [f"{folder}/{name}" for folder in ("left", "right") for name in names])
    with pytest.raises(DataError, match="the names in 'left' begin with 9 numbers"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["{camera}_{shot}.jpg", "{shot:04d}.jpg", "{shot}_{camera}.jpg"])
def test_numbers_of_cameras_and_frames_are_no_persons(tmp_path, name):
    save_images(
        tmp_path,
        [
            f"{person:04d}/" + name.format(camera=camera, shot=10 * camera + shot)
            for person in range(8)
            for camera in range(4)
            for shot in range(3)
        ],
    )
    assert len({r.person for r in load(tmp_path).train}) == 8


def write_copy(root):
    """Market-1501, sorted into a folder per person as common scripts do."""
    save_images(root / "train", ["0002/0002_c1s1_000451_03.jpg", "0002/0002_c2s1_000776_01.jpg"])
    save_images(root / "query", ["0003/0003_c1s1_000451_00.jpg"])
    save_images(root / "gallery", ["0003/0003_c5s1_000451_03.jpg", "-1/-1_c1s1_000401_03.jpg"])
    save_images(root / "gallery", ["0000/0000_c1s1_000151_02.jpg"])
    save_images(root / "train_all", ["0002/0002_c1s1_000451_03.jpg"])


def test_a_copy_of_market_says_what_market_says(tmp_path):
    write_copy(tmp_path)
    dataset = load(tmp_path)
    assert [r.camera for r in dataset.train] == [1, 2]
    assert [(r.person, r.camera) for r in dataset.query] == [(3, 1)]
    assert sorted((r.person, r.camera) for r in dataset.gallery) == [(0, 1), (3, 5)]
    assert "1 junk images (folder '-1') left out" in dataset.notes
    assert "cameras are read from file names, such as 0002_c1s1_000451_03.jpg" in dataset.notes
    assert "folders left out beside train, query, gallery: 'train_all'" in dataset.notes
    assert dataset.distractor == 0
    assert NO_CAMERAS not in dataset.notes
    # Distractors are no identities to be learnt.
    assert {r.person for r in load(tmp_path, combine_all=True).train} == {2, 3}


def test_cameras_that_some_names_lack_are_not_read(tmp_path):
    save_images(tmp_path, ["0002/0002_c1s1_000451_03.jpg", "0002/other.jpg"])
    dataset = load(tmp_path)
    assert {r.camera for r in dataset.train} == {None}
    assert "1 of 2 file names tell a camera, not all: none is read" in dataset.notes


def test_cameras_of_scenes_are_not_mixed_up(tmp_path):
    # Camera 0 of one scene is another one than camera 0 of the next.
    names = ["000001_s00_c00_f000264.jpg", "000001_s01_c00_f000264.jpg"]
    save_images(tmp_path, [f"000001/{name}" for name in names])
    assert {r.camera for r in load(tmp_path).train} == {None}

from pathlib import Path

import pytest

from qaconv_reid.data import DataError, load, recognize
from support.images import save_images

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    save_images(
        tmp_path / TRAIN,
        ["0007_c1s1_000100_01.jpg", "0002_c1s2_000050_01.jpg", "0002_c2s3_000010_02.jpg"],
    )
    save_images(tmp_path / QUERY, ["0010_c1s1_000400_00.jpg", "0010_c2s1_000030_00.jpg"])
    save_images(
        tmp_path / GALLERY,
        [
            "0010_c1s3_000025_01.jpg",
            "0000_c1s1_000300_01.jpg",
            "-1_c1s1_999999_01.jpg",
            "-1_c2s1_000001_03.jpg",
        ],
    )
    (tmp_path / GALLERY / "Thumbs.db").write_bytes(b"not an image")
    (tmp_path / GALLERY / "._0010_c1s3_000025_01.jpg").write_bytes(b"nor this")
    return tmp_path


def test_market_persons_cameras_and_order(market):
    dataset = load(market)
    assert dataset.layout == "market"
    assert [(r.path.name[:9], r.person, r.camera) for r in dataset.train] == [
        ("0002_c1s2", 2, 1),
        ("0002_c2s3", 2, 2),
        ("0007_c1s1", 7, 1),
    ]
    assert [(r.person, r.camera) for r in dataset.query] == [(10, 1), (10, 2)]


def test_market_drops_junk_and_keeps_distractors(market):
    dataset = load(market)
    assert [r.person for r in dataset.gallery] == [0, 10]
    assert "2 junk images (pid -1) left out" in dataset.notes


def test_market_time_joins_the_sequences_of_a_camera(market):
    # Camera 1: the longest frames are 400 (sequence 1, in query; the junk's 999999 does not count)
    # and 50 (sequence 2, in train). Camera 2: 30 in sequence 1, none in 2.
    dataset = load(market)
    seconds = {r.path.name[:16]: r.time for part in dataset.parts.values() for r in part}
    assert seconds == {
        "0007_c1s1_000100": 100 / 25,
        "0000_c1s1_000300": 300 / 25,
        "0010_c1s1_000400": 400 / 25,
        "0002_c1s2_000050": (400 + 50) / 25,
        "0010_c1s3_000025": (400 + 50 + 25) / 25,
        "0010_c2s1_000030": 30 / 25,
        "0002_c2s3_000010": (30 + 10) / 25,
    }


def test_combine_all_leaves_distractors_out_of_training(market):
    dataset = load(market, combine_all=True)
    assert [r.person for r in dataset.train] == [2, 2, 7, 10, 10, 10]
    assert len(dataset.query) == 2
    assert len(dataset.gallery) == 2
    assert any("all parts are in train" in note for note in dataset.notes)


def test_a_missing_or_empty_train_folder_is_an_empty_part(tmp_path):
    save_images(tmp_path / QUERY, ["0001_c1s1_000001_00.jpg"])
    save_images(tmp_path / GALLERY, ["0001_c2s1_000001_00.jpg"])
    assert load(tmp_path).train == ()
    (tmp_path / TRAIN).mkdir()
    assert load(tmp_path).train == ()


def test_names_that_cannot_be_read_are_counted_and_shown(market):
    save_images(market / GALLERY, [f"stray{i}.jpg" for i in range(2)])
    with pytest.raises(DataError) as error:
        load(market, "market")
    text = str(error.value)
    assert "got 2 of 6 image names that cannot be read ('stray0.jpg', 'stray1.jpg')" in text
    assert "0002_c1s1_000451_03.jpg" in text


@pytest.mark.parametrize("edition", ["detected", "labeled"])
def test_cuhk03(tmp_path, edition):
    root = tmp_path / edition
    save_images(root / TRAIN, ["0003_c1_1.png", "0003_c2_6.png"])
    save_images(root / QUERY, ["0001_c1_1.png"])
    save_images(root / GALLERY, ["0001_c2_7.png"])
    dataset = load(root)
    assert dataset.layout == "cuhk03-np"
    assert [(r.person, r.camera, r.time) for r in dataset.train] == [(3, 1, None), (3, 2, None)]
    assert [r.camera for r in dataset.gallery] == [2]


def test_duke_is_read_with_a_note_that_it_is_withdrawn(tmp_path):
    save_images(tmp_path / TRAIN, ["0001_c2_f0046182.jpg", "0001_c5_f0000100.jpg"])
    save_images(tmp_path / QUERY, ["0005_c1_f0000001.jpg"])
    save_images(tmp_path / GALLERY, ["0005_c8_f0000002.jpg"])
    dataset = load(tmp_path)
    assert dataset.layout == "duke"
    assert [(r.camera, r.time) for r in dataset.train] == [
        (2, (46182 + 3606) / 59.94),
        (5, 100 / 59.94),
    ]
    assert "withdrawn" in dataset.notes[0]
    assert "http" not in dataset.notes[0]


def test_duke_refuses_a_camera_it_never_had(tmp_path):
    save_images(tmp_path / QUERY, ["0005_c9_f0000001.jpg"])
    save_images(tmp_path / GALLERY, ["0005_c8_f0000002.jpg"])
    with pytest.raises(DataError, match="got camera 9, wanted 1 to 8"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("0001_c1s1_000001_00.jpg", "market"),
        ("0001_c1_1.png", "cuhk03-np"),
        ("0001_c1_f0000001.jpg", "duke"),
    ],
)
@pytest.mark.parametrize("below", [".", "Market-1501-v15.09.15", "market1501"])
def test_the_three_are_told_apart_by_their_names_here_and_one_level_down(
    tmp_path, name, layout, below
):
    save_images(tmp_path / below / QUERY, [name])
    save_images(tmp_path / below / GALLERY, [name])
    assert recognize(tmp_path) == layout
    assert load(tmp_path).query[0].path == tmp_path / below / QUERY / name


@pytest.mark.parametrize("digits", [19, 40])
def test_a_number_that_no_tensor_can_hold_is_refused(tmp_path, digits):
    save_images(tmp_path / QUERY, [f"{'9' * digits}_c1s1_000001_00.jpg"])
    save_images(tmp_path / GALLERY, [f"{'9' * digits}_c2s1_000001_00.jpg"])
    with pytest.raises(DataError, match="identity: got a number of more than 18 digits"):
        load(tmp_path)

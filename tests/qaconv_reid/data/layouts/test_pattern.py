"""Data sets of other names, read by data.pattern."""

import os

import pytest

from qaconv_reid.data import DataError, check, compile_pattern, load, preview
from qaconv_reid.data.layouts.part_names import part_of
from support.images import save_images

VERI = r"(?P<pid>\d+)_c(?P<cam>\d+)_(?P<frame>\d+)_\d"
MARS = r"(?P<pid>\d{4}|00-1)C(?P<cam>\d)T(?P<track>\d+)F(?P<frame>\d+)"


def test_veri(tmp_path):
    save_images(tmp_path, ["image_train/0001_c003_00016450_0.jpg"])
    save_images(tmp_path, ["image_query/0002_c002_00030600_0.jpg"])
    save_images(tmp_path, ["image_test/0002_c001_00030700_1.jpg", "image_test/readme.jpg"])
    dataset = load(tmp_path, pattern=VERI)
    assert (dataset.layout, dataset.name) == ("pattern", tmp_path.name)
    found = {p: [(r.person, r.camera, r.time) for r in part] for p, part in dataset.parts.items()}
    assert found == {
        "train": [(1, 3, 16450.0)],
        "query": [(2, 2, 30600.0)],
        "gallery": [(2, 1, 30700.0)],
    }
    assert "read by data.pattern, found in 3 of 4 paths" in dataset.notes
    left_out = "1 images that it is not found in left out: 'image_test/readme.jpg'"
    assert left_out in dataset.notes


def test_mars_has_tracks_and_junk(tmp_path):
    names = ["0001/0001C1T0001F001.jpg", "0001/0001C1T0002F001.jpg", "00-1/00-1C1T0001F001.jpg"]
    save_images(tmp_path / "bbox_test", names)
    save_images(tmp_path / "bbox_train", ["0003/0003C2T0001F004.jpg"])
    dataset = load(tmp_path, pattern=MARS)
    assert [(r.person, r.camera, r.track, r.time) for r in dataset.gallery] == [
        (1, 1, 1, 1.0),
        (1, 1, 2, 1.0),
    ]
    assert [r.person for r in dataset.train] == [3]
    assert "1 junk images (pid -1) left out" in dataset.notes
    assert "no query images" in check(tmp_path, pattern=MARS).problems[0]


def test_persons_that_folders_name(tmp_path):
    # LTCC's train, query and test; identities by name; a part that is none of ours.
    save_images(tmp_path, [f"{part}/{who}/1.png" for part in ("train", "val") for who in "ab"])
    save_images(tmp_path, ["query/c/x.png", "test/c/y.png"])
    dataset = load(tmp_path, pattern=r"/(?P<pid>[^/]+)/[^/]+$")
    assert [len(part) for part in dataset.parts.values()] == [2, 1, 1]
    assert dataset.query[0].person == dataset.gallery[0].person == 2
    assert any(
        note.startswith("2 images in no folder of train, query or gallery left out: 'val/a/1.png'")
        for note in dataset.notes
    )


def test_without_folders_of_parts_all_is_train(tmp_path):
    save_images(tmp_path, ["ann_1.jpg", "x/bob_1.jpg"])
    dataset = load(tmp_path, pattern=r"(?P<pid>[a-z]+)_")
    assert [(r.path.name, r.person) for r in dataset.train] == [("ann_1.jpg", 0), ("bob_1.jpg", 1)]


def test_a_layout_that_is_named_is_not_read_by_the_pattern(tmp_path):
    save_images(tmp_path, ["ann/1.jpg", "bob/1.jpg"])
    assert load(tmp_path, "folder", pattern=VERI).layout == "folder"
    with pytest.raises(DataError, match=r"wanted:\n  pattern: any folders of images, with data\."):
        load(tmp_path, "pattern")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"(?P<pid>\d+", "wanted a pattern such as .*unterminated"),
        (r"\d+", r"got the named groups none in .*, wanted pid and of"),
        (r"(?P<cam>\d)", "got the named groups 'cam' in .*, wanted pid"),
        (r"(?P<pid>\d)(?P<person>\d)", "got the named groups 'pid', 'person' in"),
        ("(?P<pid>.)" + "x" * 300, "got 310 characters, wanted at most 300"),
        (r"(?P<pid>\d){99999999999999}", "wanted a pattern such as"),
        ("(?P<pid>\x1b[31m)[", r"got '\(\?P<pid>\\x1b\[31m\)\['"),
    ],
)
def test_what_is_no_pattern_is_refused(text, said):
    with pytest.raises(DataError, match=said) as error:
        compile_pattern(text)
    assert str(error.value).startswith("data.pattern: ")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?P<pid>z+)", r"'\(\?P<pid>z\+\)' is found in none of 1 paths \('0001_c1.jpg'\)"),
        (r"(?P<pid>\d+)_(?P<time>c)", "time: got 'c', wanted a number"),
        (r"(?P<pid>\d+)_(?P<frame>c1)", "frame: got 'c1', wanted a number"),
    ],
)
def test_what_a_pattern_does_not_fit_is_named(tmp_path, pattern, said):
    save_images(tmp_path, ["0001_c1.jpg"])
    with pytest.raises(DataError, match=said):
        load(tmp_path, pattern=pattern)


def test_an_empty_person_is_not_found(tmp_path):
    save_images(tmp_path, ["_c1.jpg", "7_c1.jpg"])
    assert [r.person for r in load(tmp_path, pattern=r"^(?P<pid>\d*)_c").train] == [7]


def test_a_preview_shows_some_of_each(tmp_path):
    save_images(tmp_path, [f"train/{i:04d}_c1_5_0.jpg" for i in range(20)])
    save_images(tmp_path, ["query/0001_c2_7_0.jpg", "query/odd.jpg", ".hidden/0001_c1_5_0.jpg"])
    shown = preview(tmp_path, compile_pattern(VERI), most=3)
    assert [(one.path, one.part, one.groups) for one in shown if one.part == "query"] == [
        ("query/0001_c2_7_0.jpg", "query", {"pid": "0001", "cam": "2", "frame": "7"}),
        ("query/odd.jpg", "query", None),
    ]
    assert len(shown) == 5


def test_names_that_are_not_text_are_read(tmp_path):
    save_images(tmp_path, ["0001_c1.jpg"])
    os.rename(tmp_path / "0001_c1.jpg", os.fsencode(tmp_path) + b"/0001_c1\xff.jpg")
    dataset = load(tmp_path, pattern=r"(?P<pid>\d+)_c")
    assert len(dataset.train) == 1


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("bounding_box_train", "train"),
        ("image_query", "query"),
        ("gallery_all", "gallery"),
        ("multi-query", "query"),
        ("trainset", "train"),
        ("Testing", "gallery"),
        ("val", "val"),
        ("bbox_test", "gallery"),
        ("mask_train_v2", "train"),
        ("probe", "query"),
        ("gt_bbox", ""),
        ("images_labeled", ""),
        ("cam3", ""),
        ("camera_12", ""),
        ("0002", None),
        ("person_0002", None),
        ("Trainor", None),
        ("img_7", None),
        ("ann", None),
        ("", None),
    ],
)
def test_names_of_parts(folder, part):
    assert part_of(folder) == part

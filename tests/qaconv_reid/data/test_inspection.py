"""Every file is looked at before anything long begins, and copies are found."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qaconv_reid.data import Inspection, Record, ReidDataset, check, check_dataset, load
from qaconv_reid.data.copies import own_images, trained_on, under_two
from support.images import corrupt, draw_person, save_images, write_market, write_person_folders


def records_below(root: Path) -> tuple[Record, ...]:
    return load(root).train


@pytest.mark.parametrize("kind", ["empty", "cut off", "pipe", "folder", "text"])
def test_every_file_is_looked_at(tmp_path, kind):
    write_person_folders(tmp_path, 40, 3, height=16, width=8)
    path = tmp_path / "0017" / "001.png"  # none of the few that are decoded
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "cut off": content[:-30], "text": b"no image"}[kind])
    report = check(tmp_path)
    assert not report.ok
    assert report.broken == 1
    assert report.problems[0].startswith(f"train: 1 of 120 images cannot be read: '{path}: ")


def test_only_decoding_finds_what_is_broken_within(tmp_path):
    write_person_folders(tmp_path, 40, 2, height=64, width=32)
    corrupt(tmp_path / "0017" / "001.png")
    assert check(tmp_path).ok
    report = check(tmp_path, inspection=Inspection(decode=True))
    assert [report.broken, report.ok] == [1, False]


def test_progress_is_told_and_no_file_is_looked_at_twice(tmp_path, monkeypatch):
    write_person_folders(tmp_path, 100, 2, height=8, width=4)
    records = records_below(tmp_path)
    told = []
    inspection = Inspection(progress=lambda *step: told.append(step))
    inspection.look(records)
    assert told == [("looking at images", 128, 200), ("looking at images", 200, 200)]
    monkeypatch.setattr("qaconv_reid.data.inspection.check_file", None)
    inspection.look(records)
    assert inspection.broken(records) == []
    assert inspection.readable(records) == records


def test_one_image_is_known_by_its_bytes_whatever_its_name(tmp_path):
    save_images(tmp_path, ["a.png", "b.png"])
    shutil.copy(tmp_path / "a.png", tmp_path / "copy.png")
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to("a.png")
    names = ["a.png", "b.png", "copy.png", "hard.png", "soft.png", "absent.png"]
    keys = Inspection().images([Record(tmp_path / name, 0) for name in names])
    assert [keys.index(key) for key in keys] == [0, 1, 0, 0, 0, 5]


def test_equal_ends_do_not_make_an_image(tmp_path):
    for name, first in (("a.bmp", 1), ("b.bmp", 2)):
        picture = draw_person(7, height=64, width=32)
        picture.putpixel((0, 63), (first, 2, 3))  # a BMP begins with its last row
        picture.save(tmp_path / name)
    one, other = Inspection().images([Record(tmp_path / name, 0) for name in ("a.bmp", "b.bmp")])
    assert one != other


def test_images_of_two_persons():
    assert under_two("abcab", [1, 2, 3, 1, 4]) == [1, 4]
    assert under_two("abc", [1, 1, 1]) == []


@pytest.fixture
def market(tmp_path):
    write_market(tmp_path / "m", 2, 3, height=16, width=8)
    return tmp_path / "m"


def test_queries_in_their_own_gallery_are_said(market):
    for path in sorted((market / "query").iterdir())[:2]:
        shutil.copy(path, market / "bounding_box_test" / path.name)
    dataset = load(market)
    note = "2 queries have their own file, or its bytes, in the gallery"
    assert note in check(market).hints
    assert own_images(dataset, Inspection()) == note
    # Where every crop is a query none is searched in itself.
    assert own_images(replace(dataset, query=dataset.gallery), Inspection()) is None


def test_one_image_under_two_persons_and_twice_under_one_is_said(market):
    train = market / "bounding_box_train"
    shutil.copy(train / "0001_c1s1_000100_01.jpg", train / "0002_c1s1_999999_01.jpg")
    shutil.copy(train / "0001_c2s1_000100_01.jpg", train / "0001_c2s1_999999_01.jpg")
    hints = check(market).hints
    assert "train: 1 images are there more than once: '0001_c2s1_999999_01.jpg'" in hints
    assert (
        "2 images, or their bytes, stand under two identities: '0001_c1s1_000100_01.jpg', "
        "'0002_c1s1_999999_01.jpg'"
    ) in hints


def test_test_images_that_are_trained_on_are_said(market):
    for path in sorted((market / "query").iterdir())[:3]:
        shutil.copy(path, market / "bounding_box_train" / path.name)
    note = "3 of 18 test images, or their bytes, are training images"
    assert note in check(market).hints
    dataset = load(market)
    searched = (*dataset.query, *dataset.gallery)
    assert trained_on(dataset.train, searched, Inspection()) == note


def test_nothing_is_said_of_a_set_without_copies(market):
    assert not any("bytes" in hint or "more than once" in hint for hint in check(market).hints)


def test_files_that_are_no_images_by_their_names_are_counted(market):
    for name in ("a.heic", "b.HEIC", "notes.txt", "Thumbs.db", ".hidden"):
        (market / "query" / name).write_bytes(b"x")
    assert (
        "3 files beside the images are none by their names: 2 .heic, 1 .txt" in check(market).hints
    )


def test_persons_of_one_image_alone_are_nothing_to_learn_from(tmp_path):
    write_person_folders(tmp_path, 3, 1, height=16, width=8)
    report = check(tmp_path)
    assert report.problems == (
        "no training identity has two images: nothing can be learnt from pairs",
    )


def test_broken_images_are_no_problem_where_they_are_skipped(market):
    (market / "query" / "0004_c1s1_000400_01.jpg").write_bytes(b"")
    dataset = load(market)
    assert check_dataset(dataset).problems
    report = check_dataset(dataset, skip_broken=True)
    assert report.ok
    assert report.hints[0].startswith("query: 1 of 9 images cannot be read")


def test_a_gallery_alone_can_be_searched_by_every_crop(market):
    dataset = replace(load(market), query=())
    assert not check_dataset(dataset).ok
    assert check_dataset(dataset, every_crop=True).ok


def test_a_set_of_records_that_name_nothing(tmp_path):
    empty = ReidDataset("x", "csv", tmp_path, (Record(tmp_path / "no.jpg", 1),), (), ())
    assert "No such file" in check_dataset(empty).problems[0]

import os
from pathlib import Path

import pytest

from qaconv_reid.data import LAYOUTS, DataError, DatasetSpec, load, parse_spec, recognize
from support.images import save_images, write_market


def test_every_layout_stands_under_its_own_name():
    assert list(LAYOUTS) == [layout.name for layout in LAYOUTS.values()]
    assert set(LAYOUTS) == {
        *("market", "cuhk03-np", "duke", "msmt17", "randperson", "clonedperson", "csv", "folder"),
        "pattern",
    }


def test_a_missing_path():
    with pytest.raises(DataError, match="nowhere: there is no such file or folder"):
        load("nowhere")
    with pytest.raises(DataError, match="y: there is no such file or folder"):
        load(*parse_spec("folder:" + "y" * 5000))


def test_an_unknown_layout_shows_what_is_there_and_what_is_known(tmp_path):
    save_images(tmp_path / "photos", ["holiday.jpg"])
    (tmp_path / "photos" / "more").mkdir()
    (tmp_path / "readme.txt").touch()
    with pytest.raises(DataError) as error:
        load(tmp_path / "photos")
    text = str(error.value)
    assert "layout not recognized" in text
    assert "more/ (0 images; 0 folders)" in text
    assert all(f"  {name}: {layout.wanted}" in text for name, layout in LAYOUTS.items())


def test_an_empty_folder_is_said_to_hold_nothing(tmp_path):
    with pytest.raises(DataError, match="found:\n  nothing"):
        load(tmp_path)


def test_a_file_that_is_no_list(tmp_path):
    (tmp_path / "people.txt").touch()
    with pytest.raises(DataError, match=r"found:\n  a file named people\.txt"):
        load(tmp_path / "people.txt")


def test_a_layout_that_is_asked_for_is_the_only_one_tried(tmp_path):
    write_market(tmp_path, 1, 1, height=16, width=8)
    with pytest.raises(DataError) as error:
        load(tmp_path, "duke")
    text = str(error.value)
    assert "query/ (3 images, such as 0002_c1s1_000200_01.jpg; 0 folders)" in text
    assert "wanted:\n  duke:" in text
    assert "market:" not in text


def test_an_unknown_layout_name_gets_the_nearest():
    with pytest.raises(DataError, match=r"'markt' \(did you mean 'market'\?\), wanted one of"):
        load(".", "markt")


def test_several_data_sets_below_are_not_chosen_from(tmp_path):
    for name in ("detected", "labeled"):
        save_images(tmp_path / name / "query", ["0001_c1_1.png"])
        save_images(tmp_path / name / "bounding_box_test", ["0001_c2_1.png"])
    with pytest.raises(DataError, match=r"got 2 data sets \(detected/ \(cuhk03-np\), labeled/"):
        load(tmp_path)


def test_ones_own_images_do_not_get_the_published_name(tmp_path):
    write_market(tmp_path / "campus", 1, 1, height=16, width=8)
    dataset = load(tmp_path)
    assert dataset.name == "campus"
    assert dataset.root == tmp_path / "campus"


def test_loading_is_deterministic(tmp_path):
    write_market(tmp_path, 3, 3, height=16, width=8)
    dataset = load(tmp_path)
    assert dataset == load(tmp_path)
    for records in dataset.parts.values():
        assert [r.path for r in records] == sorted(r.path for r in records)
    assert [len(records) for records in dataset.parts.values()] == [18, 9, 9]


def test_specs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_spec("data/x") == DatasetSpec(Path("data/x"), None)
    assert parse_spec("market:data/x") == DatasetSpec(Path("data/x"), "market")
    assert parse_spec("C:\\data") == DatasetSpec(Path("C:\\data"), None)
    (tmp_path / "odd:name").mkdir()
    assert parse_spec("odd:name") == DatasetSpec(Path("odd:name"), None)
    with pytest.raises(DataError, match=r"got the layout 'Market' \(did you mean 'market'"):
        parse_spec("Market:data/x")
    with pytest.raises(DataError, match="got an empty text"):
        parse_spec("")


def test_a_spec_is_what_load_takes(tmp_path):
    write_market(tmp_path, 1, 1, height=16, width=8)
    assert load(*parse_spec(f"market:{tmp_path}")) == load(tmp_path)


def test_the_small_real_set():
    root = Path(__file__).resolve().parents[4] / "shared/data/vtest_reid"
    if not root.is_dir():
        pytest.skip("the folder of real pedestrians is not beside this checkout")
    dataset = load(root)
    assert recognize(root) == "market"
    assert [len(records) for records in dataset.parts.values()] == [0, 20, 353]
    assert {r.person for r in dataset.query} == set(range(1, 9))
    assert {r.camera for r in dataset.gallery} == {1, 2, 3}


def test_a_pipe_in_place_of_a_list_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "people.csv")
    with pytest.raises(DataError, match=r"found:\n  a file named people\.csv"):
        load(tmp_path / "people.csv")
    save_images(tmp_path, ["ann/1.jpg", "ann/2.jpg"])
    assert len(load(tmp_path).train) == 2


def test_names_and_notes_are_fit_to_be_shown(tmp_path):
    root = tmp_path / "a\x1b[2J\nb"
    save_images(root, ["ann/1.jpg", "\u202eloose.jpg"])
    dataset = load(root)
    assert dataset.name == r"a\x1b[2J\nb"
    assert any(r"'\u202eloose.jpg'" in note for note in dataset.notes)

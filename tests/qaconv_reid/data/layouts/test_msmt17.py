from pathlib import Path

import pytest

from qaconv_reid.data import DataError, load
from support.images import save_images

FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}

LISTS = {
    "train": [
        "0000/0000_000_01_0303morning_0015_0.jpg 0",
        "0001/0001_000_15_0113noon_0002_1.jpg 1",
    ],
    "val": ["0001/0001_001_04_0303morning_0099_0_ex.jpg 1"],
    "query": ["0000/0000_000_02_0303evening_0001_0.jpg 0"],
    "gallery": [
        "0001/0001_002_14_0302afternoon_0015_0.jpg 1",
        "0000/0000_001_03_0303evening_0001_0.jpg 0",
    ],
}


def write(root: Path, version: str = "V1") -> Path:
    train, test = FOLDERS[version]
    for part, lines in LISTS.items():
        folder = train if part in ("train", "val") else test
        save_images(root / folder, [line.split(" ")[0] for line in lines])
        (root / f"list_{part}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_both_versions(tmp_path, version):
    root = write(tmp_path, version)
    dataset = load(root)
    assert dataset.layout == "msmt17"
    assert all(r.path.is_file() for part in dataset.parts.values() for r in part)
    assert dataset.train[0].path.relative_to(root).parts[0] == FOLDERS[version][0]
    assert dataset.query[0].path.relative_to(root).parts[0] == FOLDERS[version][1]


def test_train_includes_val_and_cameras_are_the_third_field(tmp_path):
    dataset = load(write(tmp_path))
    assert [(r.person, r.camera) for r in dataset.train] == [(0, 1), (1, 15), (1, 4)]
    assert [r.camera for r in dataset.gallery] == [14, 3]
    assert all(r.time is None for r in dataset.train)


def test_persons_of_the_test_lists_are_no_training_persons(tmp_path):
    # Both kinds of lists count from 0.
    dataset = load(write(tmp_path))
    assert [r.person for r in dataset.query] == [2]
    assert [r.person for r in dataset.gallery] == [3, 2]


def test_combine_all_trains_on_every_person_once(tmp_path):
    dataset = load(write(tmp_path), combine_all=True)
    assert len(dataset.train) == 6
    assert {r.person for r in dataset.train} == {0, 1, 2, 3}


def test_a_list_that_names_missing_images(tmp_path):
    root = write(tmp_path)
    (root / "test/0000/0000_000_02_0303evening_0001_0.jpg").unlink()
    with pytest.raises(DataError, match=r"list_query.txt: names 1 of 1 images that are not in"):
        load(root)


def test_lines_that_cannot_be_read_are_shown_with_their_numbers(tmp_path):
    root = write(tmp_path)
    with (root / "list_val.txt").open("a") as file:
        file.write("\nnonsense 3\n0000/0000_000_01_x.jpg nobody\n")
    with pytest.raises(DataError, match=r"got 2 lines that cannot be read.*line 3: nonsense 3"):
        load(root)


def test_a_missing_list_is_named(tmp_path):
    root = write(tmp_path)
    (root / "list_val.txt").unlink()
    with pytest.raises(DataError, match=r"lacks 'list_val\.txt'"):
        load(root)


@pytest.mark.parametrize(
    "line",
    [
        "/etc/0000_000_01_x.jpg 0",
        "../0000_000_01_x.jpg 0",
        f"0000/0000_000_01_x.jpg {'9' * 30}",
        f"0000/0000_000_01_x.jpg {'9' * 9999}",
        "0000/0000_000_01_x.jpg -1",
        "0000/0000_000_01_x.jpg",
    ],
)
def test_a_line_that_leads_elsewhere_or_counts_too_far_is_named(tmp_path, line):
    root = write(tmp_path)
    (root / "list_val.txt").write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=r"list_val\.txt: got 1 lines that cannot .*line 2: "):
        load(root)


def test_a_list_that_is_not_utf_8(tmp_path):
    root = write(tmp_path)
    (root / "list_val.txt").write_bytes(b"0000/0000_000_01_x.jpg 0\n\xe9\n")
    with pytest.raises(DataError, match=r"list_val\.txt: cannot be read as UTF-8 \(line 2, byte 1"):
        load(root)


def test_byte_order_marks_and_windows_line_ends_are_read(tmp_path):
    wanted = load(write(tmp_path))
    for part in LISTS:
        file = tmp_path / f"list_{part}.txt"
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load(tmp_path) == wanted

from pathlib import Path

import pytest

from qaconv_reid.data import DataError, load
from support.images import save_images


def write(root: Path, text: str, images: int = 4) -> Path:
    save_images(root / "images", [f"{i}.jpg" for i in range(images)])
    (root / "people.csv").write_text(text, encoding="utf-8")
    return root / "people.csv"


def test_all_columns(tmp_path):
    file = write(
        tmp_path,
        "path,person,camera,time,split\n"
        "images/0.jpg,ann,3,1.5,train\n"
        "images/1.jpg,bob,1,2,query\n"
        "\n"
        "images/2.jpg,bob,2,,gallery\n"
        "images/3.jpg,cid,,,\n",
    )
    dataset = load(file)
    assert (dataset.layout, dataset.name) == ("csv", "people")
    assert [(r.person, r.camera, r.time) for r in dataset.train] == [(0, 3, 1.5), (2, None, None)]
    assert [(r.person, r.camera, r.time) for r in dataset.query] == [(1, 1, 2.0)]
    assert [(r.person, r.camera, r.time) for r in dataset.gallery] == [(1, 2, None)]
    assert dataset.query[0].path == tmp_path / "images/1.jpg"


def test_only_the_two_columns_it_needs_in_any_order_and_case(tmp_path):
    file = write(tmp_path, "\ufeffPerson, Path\n12,images/0.jpg\n7,images/1.jpg\n")
    dataset = load(file)
    assert [r.person for r in dataset.train] == [12, 7]
    assert dataset.query == dataset.gallery == ()


def test_the_folder_of_one_csv_file_will_do(tmp_path):
    write(tmp_path, "path,person\nimages/0.jpg,1\n")
    (tmp_path / "boxes.csv").write_text("frame,x,y\n1,2,3\n")
    assert len(load(tmp_path).train) == 1


def test_two_csv_files_are_one_too_many(tmp_path):
    file = write(tmp_path, "path,person\nimages/0.jpg,1\n")
    (tmp_path / "more.csv").write_text(file.read_text())
    with pytest.raises(DataError, match=r"got 2 CSV files \('more.csv', 'people.csv'\)"):
        load(tmp_path)


def test_named_cameras_are_numbered(tmp_path):
    file = write(
        tmp_path,
        "path,person,camera,split\nimages/0.jpg,1,south,query\nimages/1.jpg,1,north,gallery\n",
    )
    dataset = load(file)
    assert (dataset.query[0].camera, dataset.gallery[0].camera) == (1, 0)


def test_notes_on_missing_cameras_and_unknown_columns(tmp_path):
    rows = "images/0.jpg,1,{},query,x\nimages/1.jpg,1,{},gallery,y\n"
    file = write(tmp_path, "path,person,camera,split,colour\n" + rows.format("", ""))
    notes = load(file).notes
    assert "no camera numbers: the same-camera rule is off" in notes
    assert "columns not used: 'colour'" in notes
    file = write(tmp_path, "path,person,camera,split,colour\n" + rows.format(1, ""))
    assert "1 of 2 test images have no camera: no same-camera rule for them" in load(file).notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,person\na,1\n", r"lacks the column 'path' \(it has 'file', 'person'\)"),
        ("", "lacks the column 'path', 'person'"),
        ("path,person\nimages/9.jpg,1\n", "names 1 of 1 images that do not exist"),
        ("path,person\nimages/0.jpg,\n", "person: got 'line 2: '"),
        ("path,person\nimages/0.jpg,-1\n", "person: got 'line 2: -1', wanted a name or a number"),
        ("path,person\nimages/0.jpg\n", "person: got 'line 2: '"),
        ("path,person,time\nimages/0.jpg,1,noon\n", "time: got 'line 2: noon', wanted seconds"),
        ("path,person,time\nimages/0.jpg,1,nan\n", "time: got 'line 2: nan'"),
        ("path,person,split\nimages/0.jpg,1,test\n", "split: got 'line 2: test', wanted one of"),
        ("path,person,camera\nimages/0.jpg,1,-1\n", "camera: got 'line 2: -1'"),
        ("path,person\n", "got no images"),
    ],
)
def test_errors_name_the_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, text))


def test_a_file_that_is_not_text(tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(DataError, match="cannot be read as UTF-8 CSV"):
        load(file)

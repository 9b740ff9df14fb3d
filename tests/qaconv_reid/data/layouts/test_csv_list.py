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
    file = write(tmp_path, "path,person,camera,split,color\n" + rows.format("", ""))
    notes = load(file).notes
    assert "no camera numbers: the same-camera rule is off" in notes
    assert "columns not used: 'color'" in notes
    file = write(tmp_path, "path,person,camera,split,color\n" + rows.format(1, ""))
    assert "1 of 2 test images have no camera: no same-camera rule for them" in load(file).notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,person\na,1\n", r"lacks the column 'path' \(it has 'file', 'person'\)"),
        ("", "lacks the column 'path', 'person'"),
        ("path,person\nimages/9.jpg,1\n", "names 1 of 1 images that do not exist"),
        ("path,person\nimages/0.jpg,\n", "person: got 'line 2: '"),
        (
            "path,person\nimages/0.jpg,-1\n",
            "person: got 'line 2: -1', wanted a name or a whole number",
        ),
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
    with pytest.raises(DataError, match=r"cannot be read as UTF-8 \(line 1: it is UTF-16\)"):
        load(file)
    file.write_bytes("path,person\nimages/0.jpg,Zoë\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"UTF-8 \(line 2, byte 16: 0xeb\)"):
        load(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,person\nimages/0.jpg,nan\n", "person: got 'line 2: nan'"),
        ("path,person\nimages/0.jpg,None\n", "person: got 'line 2: None'"),
        ("path,person\nimages/0.jpg,1.5\n", "person: got 'line 2: 1.5'"),
        ("path,person\nimages/0.jpg,1.2E+30\n", r"person: got 'line 2: 1.2E\+30'"),
        ("path,person\nimages/0.jpg,-0\n", "person: got 'line 2: -0'"),
        (
            "path,person\nimages/0.jpg,7\n\nimages/1.jpg,007\n",
            "person: got '7' in line 2 and '007' in line 4, wanted one number written in one way",
        ),
        (
            "path,person,Person\nimages/0.jpg,1,2\n",
            r"line 1: got the column 'person' twice \(columns 2 and 3\)",
        ),
        ("path,person\nimages/0.jpg,1,x,y\n", r"line 2: got 4 cells, 'x', 'y' behind the last"),
        ('path,person\n"a\nb",1,x\n', "line 2: got 3 cells"),
        ("path,person\nimages/9.jpg,1\n", r"path: names 1 of 1 .*\('line 2: images/9.jpg'\)"),
        (f"path,person\n{'x' * 5000},1\n", "names 1 of 1 images that do not exist"),
        (
            "path,person\nimages/0.jpg,1\nimages/../images/0.jpg,2\n",
            r"path: got 1 images that stand under another identity as well \('line 3: images/\.\./",
        ),
        ("path,person\nimages/0.jpg,1\n\0\n", "cannot be read|person|path"),
    ],
)
def test_what_a_cell_cannot_be_is_refused_by_file_line_and_column(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as error:
        load(write(tmp_path, text))
    assert "people.csv: " in str(error.value)


def test_a_column_with_gaps_becomes_decimal_and_is_read_as_it_was(tmp_path):
    file = write(tmp_path, "path,person,camera\nimages/0.jpg,1.0,2.0\nimages/1.jpg,1,\n")
    assert [(r.person, r.camera) for r in load(file).train] == [(1, 2), (1, None)]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_countries_spreadsheets_are_read(tmp_path, separator):
    text = "path,person,,\nimages/0.jpg,4,,\n".replace(",", separator)
    assert [r.person for r in load(write(tmp_path, text)).train] == [4]


def test_a_number_that_no_tensor_can_hold_is_a_name(tmp_path):
    file = write(tmp_path, f"path,person\nimages/0.jpg,{'9' * 40}\nimages/1.jpg,{'7' * 9999}\n")
    assert [r.person for r in load(file).train] == [1, 0]


def test_paths_from_the_root_and_upwards_are_right_in_a_csv(tmp_path):
    save_images(tmp_path / "other", ["a.jpg"])
    here = tmp_path / "lists"
    file = write(here, f"path,person\n{tmp_path}/other/a.jpg,1\n../lists/images/1.jpg,2\n")
    assert [r.path.is_file() for r in load(file).train] == [True, True]

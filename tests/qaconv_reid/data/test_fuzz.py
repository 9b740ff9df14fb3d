"""Readers on what nobody wrote by hand: they read it, or say in a sentence why not."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaconv_reid.data import DataError, compile_pattern, load, open_rgb
from qaconv_reid.data.decoding import check_file
from qaconv_reid.data.layouts.naming import number_labels
from qaconv_reid.data.layouts.part_names import part_of
from qaconv_reid.data.table import label, read_table
from qaconv_reid.text import printable
from support.fuzz import fuzz
from support.images import draw_person, save_images

T = TypeVar("T")

IMAGES = ("0.jpg", "1.jpg", "sub/2.jpg")

#: Cells of lists: right ones, wrong ones, anything.
CELLS = st.one_of(
    st.sampled_from([*IMAGES, "", "1", "1.0", "007", "nan", "-1", "1e9", "ann", "query", " 2 "]),
    st.sampled_from(["9" * 30, "../0.jpg", "/etc/passwd", ".", "\x1b[2J", "Zoe\u0308", "\ufeff"]),
    st.text(max_size=8),
)


def attempt(reading: Callable[[], T]) -> tuple[T | None, str]:
    """What was read, or else why not: nothing of which is to be obeyed."""
    try:
        return reading(), ""
    except DataError as error:
        refusal = str(error)
    assert all(printable(line) == line for line in refusal.split("\n"))
    return None, refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("lists")
    save_images(root, IMAGES)
    return root


def check_loading(path: Path) -> None:
    """That it is read, into what tensors hold and people are shown; or the file is named."""
    dataset, refusal = attempt(lambda: load(path))
    if dataset is None:
        assert str(path) in refusal
        return
    for record in (record for part in dataset.parts.values() for record in part):
        assert record.path.exists()
        assert abs(record.person) < 2**63
        assert record.camera is None or abs(record.camera) < 2**63
        assert record.time is None or math.isfinite(record.time)
    for text in (dataset.name, *dataset.notes):
        assert printable(text) == text


@fuzz(150)
@given(
    header=st.lists(
        st.sampled_from(["path", "person", "camera", "time", "split", "", "Path", "x"]), max_size=6
    ),
    rows=st.lists(st.lists(CELLS, max_size=6), max_size=5),
)
def test_csv_of_any_cells(folder, header, rows):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    file = folder / "list.csv"
    file.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    check_loading(file)


@fuzz(150)
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_csv_of_any_bytes(folder, content):
    file = folder / "bytes.csv"
    file.write_bytes(b"path,person\n0.jpg,1\n" + content)
    check_loading(file)
    file.write_bytes(content)
    check_loading(file)


@fuzz(100)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(IMAGES), st.integers(0, 50), st.integers(0, 9), st.floats(0, 1e9)
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    order=st.permutations(["path", "person", "camera", "time"]),
    separator=st.sampled_from(",;\t"),
    mark=st.sampled_from(["", "\ufeff"]),
    gaps=st.booleans(),
)
def test_what_is_right_is_read_as_it_is(folder, rows, order, separator, mark, gaps):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(order)
    for path, person, camera, time in rows:
        whole = float(person) if gaps else person  # as pandas writes a column with gaps
        cells = {"path": path, "person": whole, "camera": camera, "time": time}
        writer.writerow([cells[name] for name in order])
    file = folder / "right.csv"
    file.write_text(mark + text.getvalue(), encoding="utf-8")
    assert [
        (str(r.path.relative_to(folder)), r.person, r.camera, r.time) for r in load(file).train
    ] == rows


@fuzz(200)
@given(cells=st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=4), max_size=4))
def test_tables_hold_every_cell_or_name_the_line(folder, cells):
    text = io.StringIO()
    csv.writer(text).writerows([["path", "b", "c"], *cells])
    file = folder / "table.csv"
    try:
        file.write_text(text.getvalue(), encoding="utf-8", newline="")
    except UnicodeEncodeError:
        return
    wanted = [row for row in cells if any(cell.strip() for cell in row)]
    table, refusal = attempt(lambda: read_table(file, ["path"], "a table"))
    if table is None:
        assert refusal.startswith(f"{file}: line ")
        return
    assert len(table.lines) == len(wanted)
    for number, row in enumerate(wanted):
        got = [table.columns[name][number] for name in ("path", "b", "c")]
        assert got == [cell.strip() for cell in [*row, "", ""][:3]] or len(row) > 3


@fuzz(300)
@given(text=st.text(max_size=12))
def test_a_label_is_the_text_or_refused(text):
    try:
        found = label(text)
    except ValueError:
        return
    normal = unicodedata.normalize("NFC", text)
    assert found == normal or (found.isdecimal() and normal.lstrip("+").startswith(found))


@fuzz(200)
@given(labels=st.lists(st.one_of(st.text(max_size=5), st.integers(0, 10**40).map(str))))
def test_labels_and_numbers_are_one_to_one(labels):
    numbers = number_labels(labels)
    assert numbers.keys() == set(labels)
    assert len(set(numbers.values())) == len(numbers)
    assert all(0 <= number < 2**63 for number in numbers.values())


@fuzz(100)
@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(["0/0_0_01_x.jpg 0", "0/0_0_01_x.jpg 1 ", "../0_0_01_x.jpg 0", "a b"]),
            st.text(max_size=30),
            st.integers(0, 10**40).map("0/0_0_01_x.jpg {}".format),
        )
    ),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xe9"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_lists_of_msmt17(tmp_path_factory, lines, mark, end):
    root = tmp_path_factory.getbasetemp() / "msmt17"
    if not root.exists():
        save_images(root, ["train/0/0_0_01_x.jpg", "test/0/0_0_01_x.jpg"])
    for part in ("train", "val", "query", "gallery"):
        (root / f"list_{part}.txt").write_text("0/0_0_01_x.jpg 0\n")
    content = mark + end.join(lines).encode("utf-8", "surrogatepass")
    (root / "list_val.txt").write_bytes(content)
    check_loading(root)


@fuzz(300)
@given(name=st.one_of(st.text(), st.from_regex(r"(train|Val|query|cam|_|\d|images){0,5}")))
def test_names_of_parts_are_parts_or_none(name):
    part = part_of(name)
    assert part in ("train", "query", "gallery", "val", "", None)
    assert not name.isdecimal() or part is None


#: What a file system takes for a name.
NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))


@fuzz(40)
@given(names=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=4))
def test_folders_of_any_names(tmp_path_factory, names):
    root = tmp_path_factory.mktemp("any")
    for person, image in names:
        path = root / person / f"{image}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    check_loading(root)


@fuzz(200)
@given(text=st.one_of(st.text(max_size=20), st.text("()[]{}?P<pidcam>\\d+*|^$", max_size=25)))
def test_patterns_compile_or_are_refused(text):
    pattern, refusal = attempt(lambda: compile_pattern(text))
    if pattern is None:
        assert refusal.startswith("data.pattern: ")
    else:
        assert "pid" in pattern.groupindex


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("encoded")
    found = {}
    for suffix in ("jpg", "png", "webp", "gif", "bmp", "tif", "ppm", "tga"):
        draw_person(1, height=16, width=8).save(root / f"a.{suffix}")
        found[suffix] = (root / f"a.{suffix}").read_bytes()
    return found


@fuzz(250)
@given(
    suffix=st.sampled_from(["jpg", "png", "webp", "gif", "bmp", "tif", "ppm", "tga"]),
    changes=st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 1023),
    cut=st.booleans(),
)
def test_images_of_changed_bytes(folder, encoded, suffix, changes, length, cut):
    content = bytearray(encoded[suffix])
    for place, value in changes:
        content[place * len(content) // 1024] = value
    if cut:
        del content[length * len(content) // 1024 :]
    path = folder / f"changed.{suffix}"
    path.write_bytes(content)
    header, broken = attempt(lambda: check_file(path) is None)
    image, refusal = attempt(lambda: open_rgb(path))
    if image is None:
        assert refusal.startswith(f"{path}: ")
    else:
        assert header, broken  # what can be read is not refused by its header
        assert image.mode == "RGB"


@fuzz(300)
@given(text=st.text(st.characters()))
def test_what_is_shown_is_one_line_and_stays(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    shown.encode()

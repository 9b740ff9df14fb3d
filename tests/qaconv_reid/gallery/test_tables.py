"""Tables in memory, in a file and of Lance hold the same rows and answer alike."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from qaconv_reid.gallery import GalleryError, Row, open_table
from qaconv_reid.gallery.shortlist import on_grid
from support.galleries import SHAPE, fill, maker, random_maps

KINDS = ["memory", "file", "lance"]


def opened(kind, folder, model=None):
    if kind == "lance":
        pytest.importorskip("lancedb")
    places = {"memory": None, "file": "people.safetensors", "lance": "people.lance"}
    place = places[kind]
    return open_table(None if place is None else folder / place, model or maker())


@pytest.fixture(params=KINDS)
def table(request, tmp_path):
    return opened(request.param, tmp_path)


def test_rows_come_back(table):
    maps = random_maps(3)
    rows = [
        Row("a.jpg", "7", 2, 0.5, (1, 2, 30, 40)),
        Row("a.jpg", None, None, None, (9, 2, 30, 40)),
        Row("ü 'b'.jpg"),
    ]
    version = table.version
    table.append(rows, maps, on_grid(maps))
    assert len(table) == 3
    assert table.version > version
    numbers = table.numbers()
    assert table.rows(numbers) == rows
    assert table.rows(numbers[[2, 0]]) == [rows[2], rows[0]]
    assert table.maps(numbers[[2, 0]]).equal(maps[[2, 0]])
    assert table.candidates().vectors.equal(on_grid(maps))
    assert table.keys() == {row.key for row in rows}


@pytest.mark.parametrize("kind", ["file", "lance"])
def test_what_is_kept_is_found_by_another_process(kind, tmp_path):
    table = opened(kind, tmp_path)
    maps = fill(table, 30)
    table.remove("number >= 28")
    again = opened(kind, tmp_path)
    assert again.maker == maker()
    assert again.numbers().tolist() == list(range(28))
    assert again.rows(again.numbers()) == table.rows(table.numbers())
    assert again.maps(again.numbers()).equal(maps[:28])


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table(kind, tmp_path):
    table = opened(kind, tmp_path)
    table.flush()
    for here in (table, opened(kind, tmp_path)):
        none = here.numbers()
        assert (len(here), len(none), here.keys(), here.rows(none)) == (0, 0, set(), [])
        assert here.maps(none).shape == (0, *SHAPE)
        assert len(here.candidates().numbers) == 0
        assert here.remove("true") == 0


CONDITIONS = [
    "camera != 3",
    "camera = 1 AND identity = '2'",
    "camera IN (0, 2) OR time > 20.5",
    "camera IS NULL",
    "path LIKE 'r0001%'",
    "number < 5",
    "NOT (camera = 1)",
]


@pytest.mark.parametrize("where", CONDITIONS)
def test_conditions_mean_the_same_everywhere(where, tmp_path):
    pytest.importorskip("lancedb")
    tables = [opened(kind, tmp_path) for kind in ("memory", "lance")]
    for table in tables:
        fill(table, 25)
    found = [table.numbers(where).tolist() for table in tables]
    assert found[0] == found[1]
    assert 0 < len(found[0]) < 25
    assert tables[0].candidates(where).vectors.equal(tables[1].candidates(where).vectors)
    assert [table.remove(where) for table in tables] == [len(found[0])] * 2
    assert tables[0].numbers().tolist() == tables[1].numbers().tolist()


@pytest.mark.parametrize("where", ["camra = 1", "camera ==== 1", "); DROP TABLE rows", "("])
def test_a_condition_that_cannot_be_read_is_named(table, where):
    fill(table, 3)
    for ask in (table.numbers, table.candidates, table.remove):
        with pytest.raises(GalleryError, match="where: got") as caught:
            ask(where)
        assert "\n" not in str(caught.value)
    assert len(table) == 3


def test_numbers_are_not_given_twice(table):
    fill(table, 4)
    table.remove("number = 1")
    fill(table, 2, seed=1)
    assert table.numbers().tolist() == [0, 2, 3, 4, 5]


def test_rows_of_others_are_seen(tmp_path):
    pytest.importorskip("lancedb")
    reader, writer = (opened("lance", tmp_path) for _ in range(2))
    fill(writer, 4)
    before = len(reader)
    reader.refresh()
    assert (before, len(reader)) == (0, 4)


@pytest.mark.parametrize("kind", ["file", "lance"])
def test_another_model_is_refused_by_name(kind, tmp_path):
    fill(opened(kind, tmp_path), 2)
    other = maker("other", "fedcba9876543210")
    with pytest.raises(GalleryError, match=r"made by 'small' \(0123.* got 'other' \(fedc"):
        opened(kind, tmp_path, other)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("people.db", "wanted a name ending in .lance or .safetensors"),
        ("none.safetensors", "there is no such gallery"),
        ("none.lance", "there is no such gallery"),
        ("broken.safetensors", "cannot be read as a gallery"),
        ("weights.safetensors", "got no gallery of format 1"),
        ("broken.lance", "broken.lance"),
    ],
)
def test_what_is_no_gallery_is_named(name, said, tmp_path):
    if name.endswith("lance"):
        pytest.importorskip("lancedb")
    (tmp_path / "broken.safetensors").write_text("no tensors")
    (tmp_path / "broken.lance").mkdir()
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(GalleryError, match=said) as caught:
        open_table(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(GalleryError, match="got no name"):
        open_table(None)


@pytest.mark.parametrize("address", ["file://", "file-object-store://"])
def test_an_address_is_that_of_lancedb(address, tmp_path):
    """Its object store on a disk goes the way of buckets; no bucket of a cloud is tried."""
    pytest.importorskip("lancedb")
    (tmp_path / "store").mkdir()
    place = f"{address}{tmp_path}/store/people.lance"
    maps = fill(open_table(place, maker()), 20)
    again = open_table(place, maker())
    assert again.maps(again.numbers()).equal(maps)
    with pytest.raises(GalleryError, match=r"none\.lance: there is no such gallery"):
        open_table(place.replace("people", "none"))


def test_an_address_without_a_bucket_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("lancedb")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        GalleryError, match=r"got 's3://people\.lance', wanted a bucket or a folder"
    ):
        open_table("s3://people.lance", maker())
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_sentence_names_it(tmp_path):
    script = (
        "import sys; sys.modules['lancedb'] = None\n"
        "from support.galleries import maker\n"
        "from qaconv_reid.gallery import open_table\n"
        "try: open_table('people.lance', maker())\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout == (
        "people.lance: lancedb is not installed (pip install 'qaconv-ext[search]'); without it a "
        "gallery can be one file, people.safetensors\n"
    )


def environment():
    """With this process's path, which a process of its own would lack."""
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


KILLED = """
import os, sys
from support.galleries import fill, maker
from qaconv_reid.gallery import open_table
table = open_table(sys.argv[1], maker())
for count in range(1000):
    fill(table, 16, seed=count)
    print(len(table), flush=True)
"""


@pytest.mark.parametrize("kind", ["file", "lance"])
def test_a_kill_loses_nothing_confirmed_and_leaves_no_half_row(kind, tmp_path):
    if kind == "lance":
        pytest.importorskip("lancedb")
    name = tmp_path / {"file": "people.safetensors", "lance": "people.lance"}[kind]
    command = [sys.executable, "-c", KILLED, str(name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        lines = [process.stdout.readline() for _ in range(7)]
        process.kill()
        confirmed = int((lines + process.stdout.readlines())[-1])
    table = open_table(name, maker())
    assert len(table) in (confirmed, confirmed + 16)
    numbers = table.numbers()
    assert numbers.tolist() == list(range(len(table)))
    last = table.maps(numbers[-16:])
    assert last.equal(random_maps(16, seed=len(table) // 16 - 1))
    assert table.candidates().vectors[-16:].equal(on_grid(last))
    fill(table, 1)
    assert np.array_equal(table.numbers(), np.arange(len(numbers) + 1))

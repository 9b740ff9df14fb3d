"""The data set as one ZIP file: the same images, read as a folder is, whole or gone on with."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from qaconv_reid import data, people
from qaconv_reid.data.decoding import open_rgb
from qaconv_reid.packed import PackedPath, located, salvaged
from qaconv_reid.people import MANIFEST, PeopleError, Request, dataset
from qaconv_reid.people.store import OneFile

ASKED = Request("tiny", train=3, test=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "tiny"
    people.make(ASKED, folder)
    return folder


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "tiny.zip"
    people.make(ASKED, file, packed=True)
    return file


def test_it_holds_what_the_folder_holds(folder, packed):
    with zipfile.ZipFile(packed) as file:
        assert file.testzip() is None
        for name in file.namelist():
            if name.endswith("/"):
                assert (folder / name).is_dir()
            else:
                assert file.read(name) == (folder / name).read_bytes()
        files = {name for name in file.namelist() if not name.endswith("/")}
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == there
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_it_is_read_as_the_folder_is(folder, packed):
    for part in ("plaza", "station"):
        ours, theirs = data.load(packed / part), data.load(folder / part)
        assert (ours.layout, ours.name) == (theirs.layout, theirs.name)
        for name, records in ours.parts.items():
            facts = [(r.path.name, r.person, r.camera, r.time) for r in records]
            assert facts == [(r.path.name, r.person, r.camera, r.time) for r in theirs.parts[name]]
            for one, other in zip(records, theirs.parts[name], strict=True):
                np.testing.assert_array_equal(open_rgb(one.path), open_rgb(other.path))
        assert data.check(packed / part).ok
    kin = people.Kin()
    assert kin.knows(data.load(packed / "plaza").train[0].path)


def test_two_processes_write_the_same_bytes(packed, tmp_path):
    people.make(ASKED, tmp_path / "other.zip", packed=True, workers=2)
    assert (tmp_path / "other.zip").read_bytes() == packed.read_bytes()


def test_what_a_killed_one_has_written_is_gone_on_with(packed, tmp_path, monkeypatch):
    take, drawn = dataset.take, []

    def counted(seed, sighting, families):
        drawn.append(sighting)
        return take(seed, sighting, families)

    monkeypatch.setattr(dataset, "take", counted)
    partial = tmp_path / ".tiny.zip.partial"
    partial.mkdir()
    facts = json.loads(json.dumps(ASKED.facts()))
    (partial / MANIFEST).write_text(json.dumps(facts))
    # As it is after a kill: no list at its end, and the last image is cut off.
    whole = packed.read_bytes()
    (partial / "tiny.zip").write_bytes(whole[: len(whole) // 2])
    kept = sum(name.endswith(".jpg") for name, _ in salvaged(partial / "tiny.zip"))
    assert kept > 10
    people.make(ASKED, tmp_path / "tiny.zip", packed=True)
    assert (tmp_path / "tiny.zip").read_bytes() == whole
    total = sum(len(records) for p in ("plaza", "station") for records in _parts(packed / p))
    assert len(drawn) == total - kept
    # And what is there is not drawn again.
    monkeypatch.setattr(dataset, "take", None)
    people.make(ASKED, tmp_path / "tiny.zip", packed=True)


def test_nothing_is_lost_where_one_is_killed_while_it_goes_on(packed, tmp_path):
    whole = packed.read_bytes()
    (tmp_path / "old-a.zip").write_bytes(whole[: len(whole) // 2])
    kept = [name for name, _ in salvaged(tmp_path / "old-a.zip")]
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 10])  # what it had copied
    store = OneFile(tmp_path / "a.zip")
    assert len(kept) > 10
    assert all(store.has(PurePosixPath(name)) for name in kept if not name.endswith("/"))
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def _parts(path):
    return data.load(path).parts.values()


@pytest.mark.parametrize("name", ["people.tar", "people"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(PeopleError, match=r"wanted one that ends in \.zip"):
        people.make(ASKED, tmp_path / name, packed=True)


def test_a_file_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "x.zip").write_text("mine")
    with pytest.raises(PeopleError, match="got something else in it"):
        people.make(ASKED, tmp_path / "x.zip", packed=True)
    assert (tmp_path / "x.zip").read_text() == "mine"


def test_paths_into_an_archive(packed, tmp_path):
    path = located(packed)
    assert isinstance(path, PackedPath)
    assert path.is_dir()
    inside = path / "plaza" / "query"
    first = next(iter(inside.iterdir()))
    assert first.is_file()
    assert first.parent.parent.name == "plaza"
    assert first.stat().st_size == len(first.read_bytes())
    assert first.stat().st_ino != (path / MANIFEST).stat().st_ino
    assert (path / MANIFEST).read_text().startswith("{")
    assert not (path / "nothing").exists()
    for method in ("stat", "read_bytes", "read_text", "open", "iterdir"):
        with pytest.raises(FileNotFoundError, match="nothing"):
            getattr(path / "nothing", method)()
    with pytest.raises(PermissionError):
        (path / "new").open("w")
    # What is no archive stays the path it is.
    assert type(located(tmp_path)) is type(tmp_path)
    assert type(located(tmp_path / "missing.zip" / "a")) is type(tmp_path)


def test_archives_of_others_are_read_and_broken_ones_are_said(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in (folder / "plaza").rglob("*.jpg"):
            file.write(path, f"Market/{path.relative_to(folder / 'plaza')}")
    assert len(data.load(tmp_path / "d.zip").query) == len(data.load(folder / "plaza").query)
    whole = (tmp_path / "d.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-100])
    with pytest.raises(data.DataError, match=r"cut\.zip: no whole ZIP file"):
        data.load(tmp_path / "cut.zip")
    with zipfile.ZipFile(tmp_path / "rare.zip", "w", zipfile.ZIP_LZMA) as file:
        file.write(next((folder / "plaza" / "query").iterdir()), "query/a.jpg")
    with pytest.raises(data.DataError, match=r"query/a\.jpg is encrypted, or packed in a rare way"):
        data.load(tmp_path / "rare.zip")


def test_a_file_that_is_larger_than_the_archive_says_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", b"0" * 10_000)
    lying = (tmp_path / "d.zip").read_bytes().replace((10_000).to_bytes(4, "little"), b"\x0a\0\0\0")
    (tmp_path / "d.zip").write_bytes(lying)
    with pytest.raises(OSError, match=r"a\.txt"):
        (located(tmp_path / "d.zip") / "a.txt").read_bytes()


def test_images_in_an_archive_are_given_as_others_are(packed, folder, tmp_path):
    from qaconv_reid.data import list_inputs
    from qaconv_reid.gallery import list_rows

    inside = list_inputs(str(packed / "plaza" / "query"))
    assert [Path(path).name for path in inside] == sorted(
        path.name for path in (folder / "plaza" / "query").iterdir()
    )
    rows, wanted = list_rows(packed / "plaza"), list_rows(folder / "plaza")
    assert [(r.identity, r.camera, r.time) for r in rows] == [
        (r.identity, r.camera, r.time) for r in wanted
    ]
    # A gallery keeps the names of its images as texts.
    np.testing.assert_array_equal(open_rgb(Path(rows[0].path)), open_rgb(Path(wanted[0].path)))

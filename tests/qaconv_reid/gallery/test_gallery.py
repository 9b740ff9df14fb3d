"""Adding, finding and removing images; sources of every kind; what is wrong with them."""

from __future__ import annotations

import os
import tarfile

import pytest
from PIL import Image

from qaconv_reid.data import DataError, images_below
from qaconv_reid.gallery import Gallery, GalleryError, Row, open_table
from qaconv_reid.gallery.sources import list_rows
from qaconv_reid.text import SaidError
from support.galleries import PixelEncoder, maker
from support.images import draw_person, save_images, write_market


@pytest.fixture
def market(tmp_path):
    write_market(tmp_path / "market", 1, 5)
    return tmp_path / "market"


@pytest.fixture(params=["memory", "lance"])
def gallery(request, tmp_path):
    if request.param == "lance":
        pytest.importorskip("lancedb")
    place = None if request.param == "memory" else tmp_path / "people.lance"
    return Gallery(open_table(place, maker()), PixelEncoder())


def test_a_folder_is_added_once_and_found(gallery, market):
    told = []
    folder = market / "bounding_box_test"
    added = gallery.add(folder, batch_size=4, progress=lambda *step: told.append(step))
    assert added == (15, 0)
    assert told == [("adding", done, 15) for done in (4, 8, 12, 15)]
    assert gallery.add(market) == (0, 15)  # its gallery is that folder
    query = images_below(market / "query")[4]
    hits = gallery.search(query, k=15)
    assert len(hits) == 15
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.identity for hit in hits} == {"2", "3", "4", "5", "6"}
    image = images_below(folder)[7]
    for kind in (image, Image.open(image)):
        assert gallery.search(kind, k=15) == gallery.search(str(image), k=15)
    assert {hit.camera for hit in gallery.search(query, k=15, where="camera != 3")} == {1, 2}
    assert gallery.search(query, k=15, exact=True) == hits
    assert gallery.search_many([query, image], k=2)[0] == hits[:2]
    assert gallery.search_maps(PixelEncoder().features(query), k=15) == [hits]
    (own,) = gallery.search(query, k=1, where=f"number = {hits[3].number}")
    assert own == hits[3]
    assert gallery.remove("identity = '3'") == 3
    assert (len(gallery), gallery.add(folder)) == (12, (3, 12))


def test_info(gallery, market):
    gallery.add(market / "bounding_box_test")
    gallery.add(market / "query")
    info = gallery.info()
    assert (info.rows, info.identities, info.cameras) == (30, 5, {1: 10, 2: 10, 3: 10})
    assert (info.maker, info.recall) == (maker(), None)
    assert info.times is None
    assert info.bytes_of_maps == 30 * 6 * 4 * 2 * 2
    files = images_below(market / "bounding_box_train")[:3]
    gallery.add({"path": files, "time": [4.5, None, 2]})
    assert gallery.info().times == (2, 4.5)


def test_an_interrupted_add_goes_on(gallery, market):
    encoder = gallery._encoder
    encoder.fails_after = 9
    with pytest.raises(KeyboardInterrupt):
        gallery.add(market / "bounding_box_test", batch_size=4)
    assert len(gallery) == 8
    encoder.fails_after, encoder.images = None, 0
    assert gallery.add(market / "bounding_box_test", batch_size=4) == (7, 8)
    assert encoder.images == 7
    assert len(gallery.table.keys()) == 15


def test_a_broken_image_stops_after_what_is_whole(gallery, market):
    paths = images_below(market / "bounding_box_test")
    paths[9].write_text("no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        gallery.add(paths, batch_size=4)
    assert len(gallery) == 8


def test_a_file_of_a_gallery_in_memory(market, tmp_path):
    place = tmp_path / "people.safetensors"
    gallery = Gallery(open_table(place, maker()), PixelEncoder())
    gallery.add(market)
    again = Gallery(open_table(place, maker()), PixelEncoder())
    query = images_below(market / "query")[0]
    assert again.search(query) == gallery.search(query)
    assert again.add(market) == (0, 15)


def test_rows_of_a_folder(tmp_path, market):
    save_images(tmp_path / "own", ["b/1.png", "a.png", "0007_c2_9.png", "-1_c1s1_000001_01.jpg"])
    facts = [(os.path.basename(r.path), r.identity, r.camera) for r in list_rows(tmp_path / "own")]
    assert facts == [
        ("-1_c1s1_000001_01.jpg", None, 1),
        ("0007_c2_9.png", "7", 2),
        ("a.png", None, None),
        ("1.png", None, None),
    ]
    assert all(row.time is not None for row in list_rows(market))
    assert len(list_rows([tmp_path / "own", market, tmp_path / "own" / "a.png"])) == 4 + 15 + 1


CSV = "path,identity,camera,time,x,y,w,h\na.png,ann,1,0.5,1,2,4,8\n\na.png,,,,0,0,8,16\nb.png\n"


def test_rows_of_a_csv_and_of_columns(tmp_path, monkeypatch):
    save_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "list.csv").write_text(CSV)
    a, b = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    wanted = [Row(a, "ann", 1, 0.5, (1, 2, 4, 8)), Row(a, box=(0, 0, 8, 16)), Row(b)]
    assert list_rows(tmp_path / "list.csv") == wanted
    nan = float("nan")  # as a data frame has it
    columns = {
        "path": ["a.png", "a.png", "b.png"],
        "person": ["ann", None, nan],
        "camera": [1.0, nan, nan],
        "time": [0.5, nan, nan],
        "x": [1.0, 0.0, nan],
        "y": [2.0, 0.0, nan],
        "w": [4.0, 8.0, nan],
        "h": [8.0, 16.0, nan],
    }

    class Frame:
        def to_dict(self, orient):
            assert orient == "list"
            return columns

    monkeypatch.chdir(tmp_path)
    assert list_rows(columns) == list_rows(Frame()) == wanted


def test_boxes_of_one_image_are_rows_of_their_own(gallery, tmp_path):
    frame = Image.new("RGB", (40, 20))
    people = [draw_person(p, height=16, width=8) for p in (3, 8)]
    for place, person in zip((2, 20), people, strict=True):
        frame.paste(person, (place, 2))
    frame.save(tmp_path / "frame.png")
    boxes = {"x": [2, 20], "y": [2, 2], "w": [8, 8], "h": [16, 16]}
    columns = {"path": [tmp_path / "frame.png"] * 2, "identity": ["a", "b"], **boxes}
    assert gallery.add(columns) == (2, 0)
    assert gallery.add(columns) == (0, 2)
    maps = gallery.table.maps(gallery.table.numbers())
    assert maps.equal(PixelEncoder().features(people).half())
    assert {hit.box for hit in gallery.search(people[0])} == {(2, 2, 8, 16), (20, 2, 8, 16)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the column 'path' "),
        ("file,camera\na.png,1\n", "lacks the column 'path' .it has 'file', 'camera'"),
        ("path,kamera\na.png,1\n", "got the columns path, kamera"),
        ("path,camera\na.png,north\n", "camera: got 'north' in line 2, wanted a whole number"),
        ("path,camera\na.png,1.5\n", "camera: got '1.5' in line 2"),
        ("path,time\na.png,noon\n", "time: got 'noon' in line 2, wanted seconds"),
        ("path,time\na.png,inf\n", "time: got 'inf'"),
        ("path\nc.png\n", "in line 2, wanted an image there"),
        ("path,camera\n,1\n", "path: got None in line 2"),
        ("path,x,y\na.png,1,2\n", "got of a box x, y alone"),
        ("path,identity\n\na.png,nan\n", "identity: got 'line 3: nan', wanted a name or"),
        ("path,path\na.png,a.png\n", "line 1: got the column 'path' twice"),
        ("path\na.png,7\n", "line 2: got 2 cells, '7' behind the last column"),
        ("path,camera\na.png,1e300\n", "camera: got '1e300' in line 2"),
        (f"path\n{'a' * 4000}\n", "in line 2, wanted an image there"),
        ("path,x,y,w,h\na.png,1,2,3,\n", r"box: got \[1, 2, 3, None\]"),
        ("path,x,y,w,h\na.png,1,2,0,4\n", "w and h at least 1"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named(tmp_path, text, said):
    save_images(tmp_path, ["a.png"])
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SaidError, match=said):
        list_rows(tmp_path / "list.csv")


def test_what_cannot_be_used_is_named(gallery, tmp_path, market):
    gallery.add(market)
    query = images_below(market / "query")[0]
    for call, said in [
        (lambda: gallery.add(3), "images: got int, wanted a folder"),
        (lambda: gallery.add("/no/where"), "/no/where: there is no such file or folder"),
        (lambda: gallery.add({"path": ["a", "b"], "camera": [1]}), "wanted as many in each"),
        (lambda: gallery.add(market, batch_size=0), "batch_size: got 0"),
        (lambda: gallery.search(query, k=0), "k: got 0"),
        (lambda: gallery.search(market / "query"), "image: got 15 images, wanted one"),
        (lambda: gallery.search(query, where="camra = 1"), "where: got 'camra = 1'"),
        (lambda: gallery.search(query, engine="dask"), "engine: got 'dask'"),
        (lambda: gallery.remove(" "), "where: got an empty text"),
        (lambda: gallery.recall(k=100), "k: got 100 with 15 rows"),
    ]:
        with pytest.raises(SaidError, match=said):
            call()
    with pytest.raises(DataError, match="there is no such file"):
        gallery.search("/no/where.jpg")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="got no image in it or below"):
        gallery.add(tmp_path / "nothing")
    assert len(gallery) == 15


def test_nobody_and_numbers_of_a_column_with_gaps_in_a_csv(tmp_path):
    save_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "list.csv").write_text("path;identity;camera\na.png;-1;2.0\nb.png;7.0;\n")
    rows = list_rows(tmp_path / "list.csv")
    assert [(row.identity, row.camera) for row in rows] == [(None, 2), ("7", None)]


def test_an_archive_is_no_gallery(tmp_path):
    save_images(tmp_path, ["a.png"])
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(tmp_path / "a.png", "a.png")
    with pytest.raises(GalleryError, match="this is an archive, wanted images: unpack it"):
        list_rows(tmp_path / "a.tar")

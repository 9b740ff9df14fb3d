"""The API of ``qaconv serve``: what is found and why, what is refused, what is never given away."""

from __future__ import annotations

import io
import json
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import qaconv_reid
from qaconv_reid.data import images_below
from support.images import draw_person, write_market
from support.trained import HEIGHT, WIDTH, write_run

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from qaconv_reid.serve import Desk, ServeError, listen, make_app
from qaconv_reid.serve import desk as desk_of
from qaconv_reid.serve import images as limits

PERSONS = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_market(home / "market", 0, PERSONS)
    write_run(home / "run")
    return home


@pytest.fixture(scope="module")
def matcher(home):
    return qaconv_reid.load(home / "run", device="cpu")


@pytest.fixture(scope="module")
def gallery(home, matcher):
    """Of PERSONS · 3 images; times are row numbers, one is without camera and time."""
    gallery = matcher.gallery()
    files = images_below(home / "market" / "bounding_box_test")
    gallery.add(
        {
            "path": files,
            "identity": [file.name[:4] for file in files],
            "camera": [int(file.name[6]) for file in files[:-1]] + [None],
            "time": [*map(float, range(len(files) - 1)), None],
        }
    )
    return gallery


@pytest.fixture(scope="module")
def app(gallery, matcher):
    return make_app(Desk(gallery, matcher, (HEIGHT, WIDTH)))


@pytest.fixture(scope="module")
def client(app):
    return TestClient(app, base_url="http://127.0.0.1:8765")


def as_file(image, kind="PNG"):
    stream = io.BytesIO()
    image.save(stream, format=kind)
    return stream.getvalue()


def upload(client, data, kind="image/png"):
    return client.post("/api/queries", content=data, headers={"content-type": kind})


@pytest.fixture(scope="module")
def image():
    return draw_person(2, 1, 0)


@pytest.fixture(scope="module")
def query(client, image):
    return upload(client, as_file(image)).json()["id"]


def sentence(answer, status):
    """The one sentence of an error."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


def test_facts(client, gallery, matcher):
    facts = client.get("/api/gallery").json()
    assert (facts["rows"], facts["identities"], facts["model"]) == (12, PERSONS, "run")
    assert facts["cameras"] == [
        {"camera": 1, "rows": 4},
        {"camera": 2, "rows": 4},
        {"camera": 3, "rows": 3},
        {"camera": None, "rows": 1},
    ]
    assert facts["times"] == [0.0, 10.0]
    assert facts["calibrated"] is False
    assert (facts["image"], facts["locations"]) == ([HEIGHT, WIDTH], [4, 2])
    assert len(set(facts["sample"])) == 8


def test_an_upload_finds_what_a_search_finds(client, query, gallery, image):
    ranking = client.get(f"/api/queries/{query}/ranking?k=5").json()
    hits = gallery.search(image, k=5)
    assert [(row["row"], row["score"], row["probability"]) for row in ranking["found"]] == [
        (hit.number, hit.score, hit.probability) for hit in hits
    ]
    assert [row["name"] for row in ranking["found"]] == [Path(hit.path).name for hit in hits]
    assert (ranking["where"], ranking["calibrated"]) == (None, False)


@pytest.mark.parametrize(
    ("asked", "where", "rows"),
    [
        ("camera=1&camera=3", "(camera IN (1, 3))", {0, 2, 3, 5, 6, 8, 9}),
        ("camera=unknown", "(camera IS NULL)", {11}),
        ("camera=2&camera=unknown", "(camera IN (2) OR camera IS NULL)", {1, 4, 7, 10, 11}),
        ("after=3&before=5.5", "time >= 3.0 AND time <= 5.5", {3, 4, 5}),
        ("after=1e300", "time >= 1e+300", set()),
    ],
)
def test_filters_by_camera_and_time(client, query, asked, where, rows):
    ranking = client.get(f"/api/queries/{query}/ranking?k=100&{asked}").json()
    assert ranking["where"] == where
    assert {row["row"] for row in ranking["found"]} == rows


def test_a_row_finds_the_others(client, gallery):
    query = client.post("/api/rows/4/query").json()
    assert query["row"] == 4
    found = client.get(f"/api/queries/{query['id']}/ranking?k=100").json()["found"]
    assert {row["row"] for row in found} == set(range(12)) - {4}


@pytest.mark.parametrize("plain", [False, True])
def test_the_parts_of_a_pair_add_up_to_its_score(client, query, plain):
    for row in client.get(f"/api/queries/{query}/ranking?k=3").json()["found"]:
        pair = client.get(f"/api/queries/{query}/rows/{row['row']}?plain={plain}").json()
        assert pair["score"] == pytest.approx(row["score"], abs=1e-4)
        parts = sum(pair["query"]["part"]) + sum(pair["result"]["part"]) + pair["bias"]
        assert parts == pytest.approx(pair["score"])


def test_a_pair_says_what_each_location_matched(client, query, matcher, gallery, image):
    pair = client.get(f"/api/queries/{query}/rows/7").json()
    here = matcher.features([image])[0].half().float()
    there = gallery.table.maps(np.array([7]))[0].float()
    table = here.flatten(1).T @ there.flatten(1)
    assert pair["query"]["best"] == table.argmax(dim=1).tolist()
    assert pair["result"]["best"] == table.argmax(dim=0).tolist()
    assert pair["query"]["maximum"] == pytest.approx(table.amax(dim=1).tolist(), abs=1e-5)
    assert pair["matches"]
    for match in pair["matches"]:
        here, there = match["query"], match["result"]
        assert pair["query"]["best"][here] == there
        assert pair["result"]["best"][there] == here
        both = pair["query"]["part"][here] + pair["result"]["part"][there]
        assert match["part"] == pytest.approx(both)


def test_images_are_pixels_and_nothing_else_of_the_file(client, image, home):
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    stream = io.BytesIO()
    image.save(stream, format="JPEG", exif=exif, quality=95)
    assert b"where it was taken" in stream.getvalue()
    query = upload(client, stream.getvalue(), "image/jpeg").json()["id"]
    shown = client.get(f"/api/queries/{query}/image")
    assert shown.headers["content-type"] == "image/jpeg"
    assert b"where it was taken" not in shown.content
    assert Image.open(io.BytesIO(shown.content)).size == (WIDTH, HEIGHT)
    row = client.get("/api/rows/0/image")
    assert Image.open(io.BytesIO(row.content)).size == (WIDTH, HEIGHT)


def test_only_the_newest_queries_are_kept(client, image, query, monkeypatch, gallery, matcher):
    monkeypatch.setattr(desk_of, "_KEPT_QUERIES", 2)
    own = TestClient(make_app(Desk(gallery, matcher, (HEIGHT, WIDTH))), base_url="http://localhost")
    names = [upload(own, as_file(image)).json()["id"] for _ in range(3)]
    assert own.get(f"/api/queries/{names[2]}/ranking").status_code == 200
    said = sentence(own.get(f"/api/queries/{names[0]}/ranking"), 404)
    assert said == "query: got one that is not kept any more, wanted the image once again"


def bomb(width, height):
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_uploads_have_limits(client, image):
    large = bytes(limits.MAX_BYTES + 1)
    assert "too many bytes, wanted at most 10,000,000" in sentence(upload(client, large), 413)
    # Without a length told beforehand: by chunks.
    chunks = (bytes(1_000_000) for _ in range(1000))
    assert "too many bytes" in sentence(upload(client, chunks), 413)

    said = sentence(upload(client, bomb(6_000, 5_000)), 413)
    assert said == "image: got 6000 × 5000 pixels, wanted at most 25,000,000"
    assert "too many pixels" in sentence(upload(client, bomb(60_000, 60_000)), 413)


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", "image/png", "image: got 0 bytes that are no JPEG, PNG or WEBP"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "image/png",
            "that are no JPEG, PNG or WEBP",
        ),
        (as_file(draw_person(1), "GIF"), "image/png", "no JPEG, PNG or WEBP"),
        (as_file(draw_person(1))[:200], "image/png", "image: cannot be read as an image"),
        (as_file(draw_person(1)), "image/gif", "Content-Type: got image/gif, wanted one of"),
        (as_file(draw_person(1)), "multipart/form-data", "Content-Type: got multipart/form-data"),
        (as_file(draw_person(1)), "", "Content-Type: got none, wanted one of image/jpeg"),
    ],
)
def test_what_is_no_image_is_refused(client, data, kind, said):
    assert said in sentence(upload(client, data, kind), 415)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_kinds_of_images(client, image, kind):
    assert upload(client, as_file(image, kind), f"image/{kind.lower()}").status_code == 201


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("k=0", "k: got '0', wanted greater than or equal to 1"),
        ("k=1000", "k: got '1000', wanted less than or equal to 100"),
        ("k=x", "k: got 'x', wanted a valid integer"),
        ("after=nan", "after: got 'nan', wanted a finite number"),
        ("camera=1 OR 1=1", "camera: got '1 OR 1=1', wanted"),
        ("camera=1e5", "camera: got '1e5', wanted"),
    ],
)
def test_arguments_are_checked(client, query, asked, said):
    assert said in sentence(client.get(f"/api/queries/{query}/ranking?{asked}"), 422)


def test_only_images_of_the_gallery_are_shown(client, home, tmp_path):
    secret = tmp_path / "secret.png"
    draw_person(9).save(secret)
    page = Path(desk_of.__file__).parent / "page"
    link = page / "link.png"
    link.symlink_to(secret)
    try:
        for path in (
            f"/api/rows/{secret}/image",
            f"/{secret}",
            "/../../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/link.png",
            "/page/link.png",
            "/static/../app.py",
            "/api/rows/0/image/../../../app.py",
            "/api/rows/0%00/image",
            f"/api/queries/{home}/image",
        ):
            answer = client.get(path)
            assert answer.status_code in (404, 422), path
            assert set(answer.json()) == {"error"}
    finally:
        link.unlink()
    for number in (-1, 12, 2**63 - 1):
        said = sentence(client.get(f"/api/rows/{number}/image"), 404)
        assert said == f"row: got {number}, which the gallery does not have"
    assert "number" in sentence(client.get(f"/api/rows/{2**63}/image"), 422)


def test_an_image_that_is_gone_is_told_without_its_folder(matcher, tmp_path):
    file = tmp_path / "gone.png"
    draw_person(1).save(file)
    kept = matcher.gallery()
    kept.add(file)
    file.unlink()
    client = TestClient(make_app(Desk(kept, matcher, (HEIGHT, WIDTH))), base_url="http://localhost")
    said = sentence(client.get("/api/rows/0/image"), 404)
    assert said == "row: got 0, whose image gone.png cannot be read any more"


def test_an_empty_gallery(matcher, image):
    empty = make_app(Desk(matcher.gallery(), matcher, (HEIGHT, WIDTH)))
    client = TestClient(empty, base_url="http://localhost")
    facts = client.get("/api/gallery").json()
    assert (facts["rows"], facts["cameras"], facts["times"], facts["sample"]) == (0, [], None, [])
    query = upload(client, as_file(image)).json()["id"]
    assert client.get(f"/api/queries/{query}/ranking").json()["found"] == []


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:1", True),
        ("[::1]:8765", True),
        ("10.0.0.7:8765", True),  # an address cannot be rebound
        ("evil.example", False),
        ("evil.example:8765", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_another_name_is_refused(client, host, served):
    answer = client.get("/api/gallery", headers={"host": host})
    if served:
        assert answer.status_code == 200
    else:
        assert f"Host: got {host!r}, wanted" in sentence(answer, 403)


def test_the_name_that_it_listens_on_is_its_own(gallery, matcher):
    client = TestClient(make_app(Desk(gallery, matcher, (HEIGHT, WIDTH)), "Lab.example"))
    assert client.get("/", headers={"host": "lab.example:8765"}).status_code == 200
    sentence(client.get("/", headers={"host": "other.example"}), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_other_sites_are_refused(client, headers):
    sentence(client.post("/api/rows/0/query", headers=headers), 403)
    sentence(client.get("/api/rows/0/image", headers=headers), 403)


def test_the_page_itself_is_let_through(client):
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client.post("/api/rows/0/query", headers=own).status_code == 201
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_every_answer_has_the_strict_headers(client):
    for path in (
        "/",
        "/serve.js",
        "/why.js",
        "/serve.css",
        "/icon.svg",
        "/api/gallery",
        "/nothing",
    ):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_the_page_asks_for_nothing_from_elsewhere(client):
    for path in ("/", "/serve.css", "/serve.js", "/why.js"):
        text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
        assert " style=" not in text


def test_the_api_is_described(client):
    described = client.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/gallery",
        "/api/queries",
        "/api/rows/{number}/query",
        "/api/queries/{query}/ranking",
        "/api/queries/{query}/rows/{number}",
        "/api/queries/{query}/image",
        "/api/rows/{number}/image",
    }
    body = described["paths"]["/api/queries"]["post"]["requestBody"]["content"]
    assert set(body) == {"image/jpeg", "image/png", "image/webp"}
    text = json.dumps(described)
    assert "HTTPValidationError" not in text
    for paths in described["paths"].values():
        for operation in paths.values():
            assert operation["summary"]
            assert operation["responses"]["403"]["content"]["application/json"]["schema"] == {
                "$ref": "#/components/schemas/Problem"
            }
    assert client.get("/docs").status_code == 404


def test_nothing_is_written(gallery, matcher, image, tmp_path, monkeypatch):
    """Not even for an upload: a file that is opened to be written to fails the request."""
    import builtins

    real = builtins.open

    def watched(file, mode="r", *rest, **options):
        assert not set(mode) & set("wax+"), f"{file} was opened with {mode}"
        return real(file, mode, *rest, **options)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(io, "open", watched)
    monkeypatch.chdir(tmp_path)
    app = make_app(Desk(gallery, matcher, (HEIGHT, WIDTH)))
    client = TestClient(app, base_url="http://localhost")
    query = upload(client, as_file(image)).json()["id"]
    for path in ("ranking", "image", "rows/3"):
        assert client.get(f"/api/queries/{query}/{path}").status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"--port: got {port} on 127.0.0.1, which another"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", 70000, "--port: got 70000, wanted 0 to 65535"),
        ("nowhere.invalid", 0, "--host: got 'nowhere.invalid', wanted this machine's"),
        ("192.0.2.1", 0, "--host, --port: got 192.0.2.1 and 0"),
    ],
)
def test_where_it_cannot_listen_is_named(host, port, said):
    with pytest.raises(ServeError, match=said):
        listen(host, port)

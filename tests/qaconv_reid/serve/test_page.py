"""The page of ``qaconv serve`` in a browser: by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest
import uvicorn

import qaconv_reid
from support.browser import (
    hard_to_read,
    tabbed_through,
    wider_than_the_screen,
    without_words,
)
from support.images import write_market
from support.scripts import load_script
from support.trained import HEIGHT, WIDTH, write_run

pytest.importorskip("fastapi")
from qaconv_reid.serve import Desk, listen, make_app

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "images"
SCREENSHOTS = ROOT / "benchmarks" / "screenshots.py"

#: What a drop, or a paste, gives to a page.
GIVE = """([kind, target, file]) => {
    const bytes = Uint8Array.from(atob(file.data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], file.name, { type: file.type }));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
        : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector(target).dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_market(home / "market", 0, 5)
    write_run(home / "run")
    return home


@pytest.fixture(scope="module")
def address(home, chromium):
    """Of a server on a gallery of 15 images, in a thread."""
    matcher = qaconv_reid.load(home / "run", device="cpu")
    gallery = matcher.gallery()
    gallery.add(home / "market" / "bounding_box_test")
    with listen("127.0.0.1", 0) as bound:
        app = make_app(Desk(gallery, matcher, (HEIGHT, WIDTH)))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def crop(home):
    return sorted((home / "market" / "query").iterdir())[4]


def found(page):
    """Wait for a search; the rows that are shown."""
    page.wait_for_selector("#found button[aria-pressed=true]")
    buttons = page.locator("#found button")
    return buttons.evaluate_all("parts => parts.map((part) => Number(part.dataset.row))")


def give(page, kind, target, file, mime="image/jpeg"):
    data = base64.b64encode(file.read_bytes()).decode()
    page.evaluate(GIVE, [kind, target, {"name": file.name, "type": mime, "data": data}])


@pytest.mark.parametrize("way", ["choose", "drop", "drop beside", "paste"])
def test_a_crop_is_searched_with(address, open_page, crop, way):
    page = open_page(address)
    page.wait_for_selector("#sample img")
    if way == "choose":
        page.set_input_files("#file", crop)
    elif way == "paste":
        give(page, "paste", "body", crop)
    else:
        give(page, "drop", "#drop" if way == "drop" else "footer", crop)
    rows = found(page)
    assert len(rows) == 12
    assert page.inner_text("#status") == "12 found, the best first."
    first = page.locator("#found button").first
    assert first.locator("b").inner_text().startswith("1. ")
    assert first.locator("b").inner_text().endswith("%*")  # not calibrated
    assert "Probabilities are not calibrated" in page.inner_text("#facts")
    shown = page.locator("#found img").evaluate_all(
        "i => Promise.all(i.map((x) => x.decode().then(() => x.naturalWidth)))"
    )
    assert shown == [WIDTH] * 12


def test_a_location_that_is_pointed_at_says_what_it_matched(address, open_page, crop):
    page = open_page(address)
    page.wait_for_selector("#sample img")
    with (
        page.expect_response("**/ranking**") as ranking,
        page.expect_response("**/rows/*?plain=*") as told,
    ):
        page.set_input_files("#file", crop)
    pair = told.value.json()
    assert told.value.url.split("?")[0].endswith(f"/rows/{ranking.value.json()['found'][0]['row']}")
    page.locator("#told", has_text="locations have").wait_for()
    lines = page.locator("#pair line:not(.under)")
    assert lines.count() == min(12, len(pair["matches"]))
    against = sum(match["part"] < 0 for match in pair["matches"][:12])
    assert page.locator("#pair line.against").count() == against
    for side, (own, other) in enumerate((("query", "result"), ("result", "query"))):
        box = page.locator("g.side image").nth(side).bounding_box()
        location = 5  # row 3, column 2 of 4 rows and 2 columns
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.6 * box["height"])
        best = pair[own]["best"][location]
        words = page.inner_text("#told")
        matched = f"{other} row {best // 2 + 1}, column {best % 2 + 1}"
        assert f"{own} row 3, column 2 is most like {matched}" in words
        assert f"correlation {pair[own]['maximum'][location]:.2f}" in words
        speaks = "against" if pair[own]["part"][location] < 0 else "for"
        assert f"speaks {speaks} a match" in words
        assert page.locator(f"#pair line.{speaks}").count() >= 1
        assert page.locator("#pair .location.in").count() == 2
    page.mouse.move(2, 2)
    assert "locations have a match" in page.inner_text("#told")
    page.check("#heat")
    assert page.locator("#pair rect.for, #pair rect.against").count() == 16
    with page.expect_response("**/rows/*?plain=true"):
        page.check("#plain")


def test_filters_leave_out_other_cameras(address, open_page, crop):
    page = open_page(address)
    page.wait_for_selector("#sample img")
    page.set_input_files("#file", crop)
    assert len(found(page)) == 12
    with page.expect_response("**camera=2**"):
        page.get_by_label("2 (5)").check()
    page.locator("#found li:last-child:nth-child(5)").wait_for()
    assert "Filter: (camera IN (2))." in page.inner_text("#status")
    assert page.locator("#found", has_text="camera 1").count() == 0
    page.fill("#count", "3")
    page.click("button[type=submit]")
    page.locator("#found li:last-child:nth-child(3)").wait_for()


def test_the_keyboard_does_all_that_a_mouse_does(address, open_page, crop):
    page = open_page(address)
    page.wait_for_selector("#sample img")
    page.locator("#sample button").nth(2).focus()
    page.keyboard.press("Enter")
    rows = found(page)
    reached = tabbed_through(page)
    for wanted in (
        "file",
        *map(str, rows),
        "count",
        "query",
        "result",
        "heat",
        "plain",
        "lines",
        "again",
    ):
        assert wanted in reached, wanted
    assert page.locator("[name=camera]:not([data-tabbed])").count() == 0
    second = page.locator("#found button").nth(1)
    second.focus()
    with page.expect_response(f"**/rows/{rows[1]}?**"):
        page.keyboard.press("Enter")
    page.locator("#found li:nth-child(2) [aria-pressed=true]").wait_for()
    page.locator("g.side").first.focus()
    page.keyboard.press("ArrowDown")
    assert "query row 3, column 2 is most like result" in page.inner_text("#told")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # the border holds
    page.keyboard.press("ArrowUp")
    assert "query row 2, column 1 is most like result" in page.inner_text("#told")
    page.keyboard.press("Escape")
    assert "locations have a match" in page.inner_text("#told")
    page.locator("#again").focus()
    with page.expect_response("**/ranking**") as again:
        page.keyboard.press("Enter")
    assert rows[1] not in [row["row"] for row in again.value.json()["found"]]
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#matches tr").first.is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
def test_it_is_read_on_every_screen(address, open_page, crop, width, dark):
    page = open_page(address, width=width, dark=dark)
    page.wait_for_selector("#sample img")
    page.set_input_files("#file", crop)
    found(page)
    page.evaluate("document.querySelector('details').open = true")
    assert wider_than_the_screen(page) == []
    assert hard_to_read(page) == []
    assert without_words(page) == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 24, 28)" if dark else "rgb(255, 255, 255)")


def test_what_goes_wrong_is_said_in_a_sentence(address, open_page, crop, tmp_path):
    page = open_page(address)
    page.wait_for_selector("#sample img")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no more")
    for file, kind, said in (
        (broken, "image/png", "image: got 12 bytes that are no JPEG, PNG or WEBP"),
        (broken, "text/plain", "Got text/plain, wanted image/jpeg, image/png, image/webp."),
    ):
        give(page, "drop", "#drop", file, kind)
        page.get_by_text(said, exact=True).wait_for()
    page.set_input_files("#file", crop)
    found(page)
    assert page.locator("#problem").is_hidden()
    page.route("**/api/**", lambda route: route.abort())
    page.locator("#found button").nth(3).click()
    page.wait_for_selector("text=The server does not answer: is qaconv serve still running?")


def test_the_screenshots_of_the_docs_are_taken(address, chromium, crop):
    take = load_script(SCREENSHOTS).of_serve
    images = take(chromium, address, crop, ["2", "3"])
    assert {name: image.size for name, image in images.items()} == {
        "serve.jpg": (1200, 640),
        "serve_location.jpg": (1168, 640),
    }
    assert all((DOCS / name).is_file() for name in images)
    row = images["serve_location.jpg"]
    assert row.getpixel((412, 320)) == (255, 255, 255)  # between two of its three parts
    assert max(row.getpixel((430, 10))) < 60  # the phone's page is dark

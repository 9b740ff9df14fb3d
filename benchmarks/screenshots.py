"""Takes the screenshots of the README, docs/serve.md and docs/report.md.

    qaconv serve RUN GALLERY                                   # in another terminal
    python benchmarks/screenshots.py serve http://127.0.0.1:8765/ QUERY.jpg [--cameras 2,3]
    qaconv report RUN --before before.json
    python benchmarks/screenshots.py report RUN/report.html [--data campus]

The extra ``browser`` and Chromium are needed. ``serve`` writes ``serve.jpg``, the page on a wide
screen, and ``serve_location.jpg``: a location chosen by the keyboard, and the page on a phone in
the dark. ``report`` writes ``report_graph.jpg``, from results to neighbors, and ``report.jpg``, of
one data set. ``--out FOLDER`` stands for docs/images.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_HEIGHT = 640
_WIDE, _PHONE, _GAP = 1200, 360, 24
#: Of the report, by the names of their headings; probabilities are there after a calibration.
_PARTS = ("results", "probabilities", "graph")


def main() -> None:
    """Take those of one page."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="The screenshots of the documentation.")
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve")
    serve.add_argument("address", help="of the server")
    serve.add_argument("query", type=Path, help="a crop to search with")
    serve.add_argument("--cameras", default="", help="only these are searched, as 2,3")
    serve.set_defaults(
        take=lambda browser, given: of_serve(
            browser, given.address, given.query, list(filter(None, given.cameras.split(",")))
        )
    )
    report = commands.add_parser("report")
    report.add_argument("page", type=Path, help="the file")
    report.add_argument("--data", help="the data set of report.jpg (default: the last)")
    report.set_defaults(take=lambda browser, given: of_report(browser, given.page, given.data))
    for command in (serve, report):
        command.add_argument("--out", type=Path, default=Path("docs/images"), help="a folder")
    arguments = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        images = arguments.take(browser, arguments)
        browser.close()
    for name, image in images.items():
        image.save(arguments.out / name, quality=84, optimize=True)
        print(f"{arguments.out / name}: {image.width} × {image.height}")


def of_serve(
    browser: Browser, address: str, query: Path, cameras: list[str]
) -> dict[str, Image.Image]:
    """Screenshots of a server's page, by the names of their files."""
    page = _searched(browser, address, query, cameras, _WIDE, dark=False)
    whole = _shot(page)
    # A little above and beside the middle: on the body of a person who is seen upright.
    page.set_viewport_size({"width": _WIDE, "height": 2 * _HEIGHT})
    page.locator("g.side").first.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    box = page.locator("#why").bounding_box()
    assert box is not None
    left, top, width = (int(box[name]) for name in ("x", "y", "width"))
    chosen = _shot(page).crop((left, top, left + width, top + _HEIGHT))
    page.context.close()

    page = _searched(browser, address, query, cameras, _PHONE, dark=True)
    phone = _shot(page)
    page.check("#heat")
    page.evaluate("document.querySelector('#why').scrollIntoView()")
    why = _shot(page)
    page.context.close()
    return {"serve.jpg": whole, "serve_location.jpg": _beside(chosen, phone, why)}


def of_report(browser: Browser, file: Path, dataset: str | None) -> dict[str, Image.Image]:
    """Screenshots of a report, by the names of their files."""
    page = _opened(browser, file, 1000)
    wanted = page.locator(", ".join(f"section[aria-labelledby={name}]" for name in _PARTS))
    parts = [_section(page, part) for part in wanted.all()]
    page.close()
    page = _opened(browser, file, 1212)
    sets = page.locator("section[aria-labelledby^=set]:has(.list)")
    heading = page.get_by_role("heading", name=dataset, exact=True)
    one = _section(page, sets.last if dataset is None else sets.filter(has=heading))
    page.close()
    return {
        name: image.crop((0, 0, image.width, min(image.height, longest)))
        for name, image, longest in (
            ("report_graph.jpg", _below(parts), 1702),
            ("report.jpg", one, 1560),
        )
    }


def _opened(browser: Browser, file: Path, width: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 6000})
    page.goto(file.resolve().as_uri())
    return page


def _section(page: Page, section: Locator) -> Image.Image:
    section.scroll_into_view_if_needed()
    section.locator("img").evaluate_all("images => Promise.all(images.map((it) => it.decode()))")
    return Image.open(io.BytesIO(section.screenshot())).convert("RGB")


def _searched(
    browser: Browser, address: str, query: Path, cameras: list[str], width: int, *, dark: bool
) -> Page:
    """The page when it has found what is searched for."""
    page = browser.new_context(
        viewport={"width": width, "height": _HEIGHT},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    ).new_page()
    page.goto(address)
    page.wait_for_selector("#sample img")
    page.set_input_files("#file", query)
    page.wait_for_selector("#found button[aria-pressed=true]")
    for number in cameras:
        with page.expect_response("**/rows/*?plain=*"):
            page.locator(f"#cameras input[value='{number}']").check()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur(), window.scrollTo(0, 0)")
    return page


def _shot(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _below(images: list[Image.Image]) -> Image.Image:
    """Images in a column."""
    column = Image.new("RGB", (images[0].width, sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        column.paste(image, (0, top))
        top += image.height
    return column


def _beside(*images: Image.Image) -> Image.Image:
    """Images in a row, on white."""
    width = sum(image.width for image in images) + _GAP * (len(images) - 1)
    row = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width + _GAP
    return row


if __name__ == "__main__":
    main()

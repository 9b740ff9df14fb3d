"""Takes the screenshots of docs/serve.md and the README from the page of a running server.

    qaconv serve RUN GALLERY                                    # of runs/plaza and vtest_reid
    python benchmarks/screenshots.py http://127.0.0.1:8765/ QUERY.jpg [--cameras 2,3] [--out FOLDER]

The extra ``browser`` and Chromium are needed. Written are ``serve.jpg``, the page on a wide screen,
and ``serve_location.jpg``: a location chosen by the keyboard, and the page on a phone in the dark.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_HEIGHT = 640
_WIDE, _PHONE, _GAP = 1200, 360, 24


def main() -> None:
    """Take both."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="The screenshots of qaconv serve.")
    parser.add_argument("address", help="of the server")
    parser.add_argument("query", type=Path, help="a crop to search with")
    parser.add_argument("--cameras", default="", help="only these are searched, as 2,3")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="a folder")
    arguments = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        cameras = [number for number in arguments.cameras.split(",") if number]
        images = take(browser, arguments.address, arguments.query, cameras)
        browser.close()
    for name, image in images.items():
        image.save(arguments.out / name, quality=88, optimize=True)
        print(f"{arguments.out / name}: {image.width} × {image.height}")


def take(browser: Browser, address: str, query: Path, cameras: list[str]) -> dict[str, Image.Image]:
    """Both screenshots, by the names of their files."""
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

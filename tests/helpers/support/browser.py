"""Pages in headless Chromium, where there is one: what they ask for, what a reader meets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")

OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; skips where there is none, or no driver."""
    api = pytest.importorskip("playwright.sync_api", reason="no driver: pip install playwright")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)}")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Opens pages, ``open_page(address, width=360, dark=True)``, and looks after them.

    A page that asks another host for anything, breaks its own policy or has a fault in its script
    fails the test.
    """
    contexts, faults = [], []

    def opened(address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        own = address.split("/")[2]

        def asked(request: Any) -> None:
            kind, host = request.url.split(":")[0], request.url.split("/")[2:3]
            if kind != "data" and host != [own]:
                faults.append(f"asked for {request.url}")

        page.on("request", asked)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: "policy" in said.text.lower() and faults.append(said.text))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def wider_than_the_screen(page: Page) -> list[str]:
    """Whether the page scrolls sideways, and what sticks out of it beside what scrolls itself."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            const inside = (part) => part.closest(".scroll, .list, .skip, svg");
            const out = [...document.body.querySelectorAll("*")]
                .filter((part) => !inside(part) && part.getBoundingClientRect().right > width + 0.5)
                .map((part) => `${part.tagName} ${part.id || part.className}`);
            return document.documentElement.scrollWidth > width ? ["the page", ...out] : out;
        }"""
    )
    return found


def hard_to_read(page: Page) -> list[str]:
    """Texts whose contrast with what lies behind is below 4.5 (WCAG 2.2, 1.4.3)."""
    found: list[str] = page.evaluate(
        """() => {
            const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
            const light = (color) => {
                const [r, g, b] = numbers(color).slice(0, 3).map((v) => {
                    const c = v / 255;
                    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = (part) => {
                for (let at = part; at; at = at.parentElement) {
                    const color = getComputedStyle(at).backgroundColor;
                    if ((numbers(color)[3] ?? 1) > 0) return color;
                }
                return "rgb(255, 255, 255)";
            };
            const written = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
            const bad = [];
            for (const part of document.body.querySelectorAll("*")) {
                if (![...part.childNodes].some(written) || !part.checkVisibility()) continue;
                const style = getComputedStyle(part);
                const ink = part.closest("svg") ? style.fill : style.color;
                const [high, low] = [light(ink), light(behind(part))].sort((a, b) => b - a);
                const contrast = (high + 0.05) / (low + 0.05);
                const words = part.textContent.trim().slice(0, 30);
                if (contrast < 4.5) bad.push(`${words}: ${contrast.toFixed(2)}`);
            }
            return bad;
        }"""
    )
    return found


def tabbed_through(page: Page, most: int = 200) -> list[str]:
    """What the tab key leads to, in order; nothing of it may be without a visible mark."""
    page.evaluate(
        """() => {
            const start = Object.assign(document.createElement("span"), { tabIndex: -1 });
            document.body.prepend(start);
            start.focus();
        }"""
    )
    seen: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => {
                const part = document.activeElement;
                if (!part || part === document.body) return null;
                const marked = (e, p) => {
                    const s = getComputedStyle(e);
                    return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2
                        || p.test(s.stroke) && parseFloat(s.strokeWidth) >= 3;
                };
                const frame = part.querySelector?.(".frame");
                const mark = [part, part.closest("label"), frame].filter(Boolean);
                const name = part.id || part.dataset.row || part.dataset.side
                    || part.getAttribute("aria-label") || part.textContent.trim()
                    || part.querySelector("img")?.alt || part.value;
                part.dataset.tabbed = "yes";
                return [name, mark.some((e) => marked(e, /rgb/))];
            }"""
        )
        if at is None:
            break
        name, marked = at
        assert marked, f"{name}: no mark where the focus is"
        seen.append(name)
    return seen


def without_words(page: Page) -> list[str]:
    """Pictures and controls that a reader who does not see is told nothing of."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("img, svg, button, input, a, [tabindex='0']")]
            .filter((part) => part.checkVisibility() && !part.closest("[aria-hidden]"))
            .filter((part) => {
                const told = part.alt || part.ariaLabel || part.getAttribute("aria-labelledby")
                    || part.textContent.trim() || part.labels?.length
                    || part.querySelector("img")?.alt;
                return !told;
            })
            .map((part) => part.outerHTML.slice(0, 80))"""
    )
    return found

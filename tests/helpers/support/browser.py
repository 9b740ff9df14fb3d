"""What a page measures in a browser, where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def measure_in_browser(page: str, expression: str, *, width: int, folder: Path) -> object:
    """The value of a JavaScript expression in a page that is shown in a frame of this width.

    Args:
        page: HTML.
        expression: its value is one of JSON; ``document`` is the page's.
        width: in pixels; a frame's, for a headless window is never as narrow as a phone.
        folder: for the files that are needed.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)}")
    # The page's own rule lets no script run: it is the frame's document that is looked at.
    outer = f"""<!DOCTYPE html><body><iframe style="width:{width}px;height:900px;border:0"
        srcdoc="{escape(page)}"></iframe><pre></pre><script>
        const frame = document.querySelector("iframe");
        frame.addEventListener("load", () => {{
            const look = (document, getComputedStyle) => {expression};
            const value = look(frame.contentDocument, frame.contentWindow.getComputedStyle);
            document.querySelector("pre").textContent = JSON.stringify(value);
        }});
        </script>"""
    file = folder / "outer.html"
    file.write_text(outer, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser")
    done = subprocess.run(
        [browser, *options, "--virtual-time-budget=20000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (value,) = re.findall(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    return json.loads(unescape(value))

"""What all scripts that render a page have in common: fill it, write it, or ``--check`` it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["filled", "write_or_check"]

_ROOT = Path(__file__).resolve().parents[1]


def filled(text: str, name: str, lines: Iterable[str]) -> str:
    """A page with other lines between ``<!-- name: begin -->`` and ``<!-- name: end -->``.

    Raises:
        SystemExit: it has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not block.search(text):
        sys.exit(f"{name}: got no markers, wanted {begin.strip()} and {end}")
    body = "\n".join(lines)
    return block.sub(lambda _: f"{begin}{body}\n{end}", text)


def write_or_check(page: Path, rendered: Callable[[str], str]) -> int:
    """Render a page over what it holds; with ``--check`` on the command line only compare.

    Args:
        page: of the documentation.
        rendered: from its text to the text that it should have.

    Returns:
        The exit code: 1 where they differ, which is then said.
    """
    text = page.read_text()
    new = rendered(text)
    if "--check" not in sys.argv[1:]:
        page.write_text(new)
        return 0
    if new != text:
        print(f"{page.relative_to(_ROOT)} differs from the files: run {Path(sys.argv[0]).name}")
    return int(new != text)

"""Lines for a terminal: what files are called is shown, and never obeyed."""

from __future__ import annotations

from rich.console import Console

from qaconv_reid.text import printable

__all__ = ["say"]


def say(console: Console, *lines: str) -> None:
    """Print lines as they are: no markup, no colors, folded nowhere."""
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

"""Foreign text for a reader's eyes: names of files may hold what a terminal or a page obeys."""

from __future__ import annotations

import re

__all__ = ["SaidError", "printable", "shortened"]

#: What is not to reach a reader as it is: control characters (escape codes, line ends), marks that
#: turn the direction of a line or cannot be seen, other line ends, halves of characters (bytes of a
#: file name that are no UTF-8).
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

#: Of a message: longer than the paths that people have.
_LONGEST_WORD = 200
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def printable(text: object) -> str:
    r"""One line that shows what cannot be shown as it is as Python writes it.

    >>> printable("a\x1b[31m\n.jpg")
    'a\\x1b[31m\\n.jpg'
    """
    return _UNFIT.sub(lambda found: _escaped(found[0]), str(text))


def shortened(text: str, most: int = 600) -> str:
    """A line that can be read: no word of it fills a screen, nor does the whole.

    Of what is too long the middle is left out: the beginning of a message says what it is about,
    the end what to do.

    >>> shortened("abcdefghij", 7)
    'ab … ij'
    """
    text = _LONG_WORD.sub(lambda found: _ends(found[0], _LONGEST_WORD), text)
    return text if len(text) <= most else _ends(text, most)


def _ends(text: str, most: int) -> str:
    half = max(1, (most - 3) // 2)
    return f"{text[:half]} … {text[-half:]}"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte, as os.fsdecode hands it over
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


class SaidError(ValueError):
    """An error of a user's making; its text is lines that are each `printable` and `shortened`.

    Args:
        lines: what is said. Only where one line ends and the next begins there is a line end.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(shortened(printable(line)) for line in self.args)

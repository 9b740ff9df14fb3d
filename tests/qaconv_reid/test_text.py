import pickle

import pytest

from qaconv_reid.text import SaidError, printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0001_c1.jpg", "0001_c1.jpg"),
        ("Žofie – 太郎 👩‍🦰.jpg", "Žofie – 太郎 👩‍🦰.jpg"),
        ("a\x1b]0;title\x07.jpg", r"a\x1b]0;title\x07.jpg"),
        ("a\nerror: b\r\tc", r"a\nerror: b\r\tc"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("a\u2066b\u2069\u200e\ufeff", r"a\u2066b\u2069\u200e\ufeff"),
        ("a\x85b\u2028c\x9b31m", r"a\x85b\u2028c\x9b31m"),
        ("a\udcffb\ud800", r"a\xffb\ud800"),
    ],
)
def test_only_what_a_terminal_or_a_page_obeys_is_escaped(text, shown):
    assert printable(text) == shown


def test_an_error_has_the_lines_it_was_given_and_no_others():
    error = SaidError("a\x1b[2J: broken", "found:\n  b")
    assert str(error) == "a\\x1b[2J: broken\nfound:\\n  b"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_is_too_long_for_a_reader_keeps_its_beginning_and_its_end():
    assert shortened("abc") == "abc"
    long = shortened("model.weights: got " + "x" * 5000 + ", wanted a file")
    assert len(long) <= 300
    assert long.startswith("model.weights: got xxx")
    assert long.endswith("xxx, wanted a file")
    assert len(str(SaidError("x " * 5000))) <= 600
    path = f"/{'folder/' * 20}file.jpg"
    assert shortened(path) == path

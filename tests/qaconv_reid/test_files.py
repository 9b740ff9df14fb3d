"""Files are replaced whole, and whether they can be is known before."""

from __future__ import annotations

import pytest

from qaconv_reid.files import check_replaceable, replaced


def test_a_file_is_replaced_or_left_as_it_was(tmp_path):
    file = tmp_path / "a"
    with replaced(file) as temporary:
        temporary.write_text("one")
    with pytest.raises(FileNotFoundError), replaced(file) as temporary:
        (temporary / "below").write_text("two")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_looking_leaves_nothing(tmp_path):
    file = tmp_path / "a"
    check_replaceable(file)
    assert list(tmp_path.iterdir()) == []
    file.write_text("mine")
    check_replaceable(file)
    assert file.read_text() == "mine"
    with pytest.raises(FileNotFoundError):
        check_replaceable(tmp_path / "nowhere" / "a")
    with pytest.raises(IsADirectoryError):
        check_replaceable(tmp_path)

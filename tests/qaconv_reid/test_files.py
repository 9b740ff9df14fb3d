"""Files are replaced whole, and whether they can be is known before."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from safetensors import SafetensorError

from qaconv_reid.files import check_replaceable, replaced, sweep


def test_a_file_is_replaced_or_left_as_it_was(tmp_path):
    file = tmp_path / "a"
    with replaced(file) as temporary:
        temporary.write_text("one")
    with pytest.raises(FileNotFoundError), replaced(file) as temporary:
        (temporary / "below").write_text("two")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_the_systems_error_whoever_writes(tmp_path):
    for text, number, said in (
        ("Error: I/O error: No space left on device (os error 28)", errno.ENOSPC, "No space left"),
        ("something else", errno.EIO, "something else"),
    ):
        with pytest.raises(OSError, match=said) as error, replaced(tmp_path / "a"):
            raise SafetensorError(text)
        assert (error.value.errno, error.value.filename) == (number, str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_writing_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space") as error, replaced(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(tmp_path / "a")
    with pytest.raises(OSError, match="truncated") as error, replaced(tmp_path / "a"):
        raise OSError("image file is truncated")  # of something that was read
    assert error.value.filename is None


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


def test_files_have_the_mode_that_the_umask_gives(tmp_path):
    """Also those of libraries that make files for their owner alone."""
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        former = os.umask(mask)
        try:
            with replaced(tmp_path / "a") as temporary:
                temporary.touch(0o600)
        finally:
            os.umask(former)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_name_as_long_as_names_may_be(tmp_path):
    file = tmp_path / ("é" * 127)
    check_replaceable(file)
    with replaced(file) as temporary:
        temporary.write_text("x")
    assert file.read_text() == "x"
    with pytest.raises(OSError, match="name too long"):
        check_replaceable(tmp_path / ("a" * 300))


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    below = tmp_path / "checkpoint"
    below.mkdir()
    mine = [f"state.json.{os.getpid()}.tmp", "a.tmp", "a.jpg", f"b.{dead}.tmp.jpg", f".{dead}.tmp"]
    for name in (*mine, f"state.json.{dead}.tmp", f"0001_c1.png.{dead}.tmp"):
        (below / name).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in below.iterdir()) == sorted(mine)

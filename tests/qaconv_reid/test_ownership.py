"""One owner of a folder: who it is, what others are told, what a killed one leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qaconv_reid import ownership
from qaconv_reid.ownership import OWNER_FILE, OwnedError, owned

#: Has a folder until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from qaconv_reid.ownership import owned
with owned(Path(sys.argv[1]), "holding"):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process has, and the process."""
    folder = tmp_path / "runs" / "a"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "has it\n"
    yield folder, process
    process.kill()
    process.wait()


def test_the_second_is_told_who_has_it(held):
    folder, process = held
    with pytest.raises(OwnedError) as caught, owned(folder, "second"):
        pass
    said = str(caught.value)
    assert said.startswith(f"{folder}: process {process.pid} (holding, since 2")
    assert said.endswith("has it")
    assert (folder / OWNER_FILE).is_file()


def test_what_a_killed_one_had_is_free_at_once_and_it_is_said(held):
    folder, process = held
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / OWNER_FILE).is_file()
    said = []
    with owned(folder, "next", notice=said.append):
        mine = json.loads((folder / OWNER_FILE).read_text())
    assert (mine["process"], mine["what"]) == (os.getpid(), "next")
    assert len(said) == 1
    assert f"process {process.pid} (holding" in said[0]


def test_nothing_is_left_of_a_folder_that_nothing_was_put_into(tmp_path):
    with owned(tmp_path / "runs" / "a", "looking"):
        assert (tmp_path / "runs" / "a").is_dir()
    assert list(tmp_path.iterdir()) == []
    with owned(tmp_path / "runs" / "a", "writing"):
        (tmp_path / "runs" / "a" / "file").touch()
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == ["file"]


def test_of_many_at_once_one_has_it(tmp_path):
    """Also while others make the folder and remove it again."""
    inside, most, entered = 0, 0, 0
    wrong: list[Exception] = []
    count = threading.Lock()

    def try_often():
        nonlocal inside, most, entered
        for _ in range(100):
            try:
                with owned(tmp_path / "a", "racing"):
                    with count:
                        inside += 1
                        entered += 1
                        most = max(most, inside)
                    with count:
                        inside -= 1
            except OwnedError:
                pass
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert most == 1
    assert entered
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_forked_worker_does_not_hold_it_on(tmp_path):
    read, write = os.pipe()
    with owned(tmp_path, "parent"):
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)  # until the parent is through
            os._exit(0)
        os.close(read)
    try:
        with owned(tmp_path, "again"):
            pass
    finally:
        os.close(write)
        os.waitpid(child, 0)


@pytest.mark.parametrize("content", ["", "{", "[1]", "[" * 5000, '{"process": null}'])
def test_a_garbled_word_of_the_owner_is_no_obstacle(tmp_path, content):
    (tmp_path / OWNER_FILE).write_text(content)
    with owned(tmp_path, "here"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("process", "host", "said"),
    [
        (2**22 + 1, None, None),
        (os.getpid(), None, "has it"),
        (1, "elsewhere", r"on elsewhere .* if it has ended, remove .*owner\.json"),
    ],
    # A process's number in a name would be another in each of pytest-xdist's workers.
    ids=["gone", "here", "elsewhere"],
)
def test_without_locks_the_word_of_the_owner_decides(tmp_path, monkeypatch, process, host, said):
    """As on a network's disk that knows no locks."""

    def none(handle, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(ownership.fcntl, "flock", none)
    word = {"process": process, "host": host or socket.gethostname(), "what": "x", "since": "y"}
    (tmp_path / OWNER_FILE).write_text(json.dumps(word))
    if said is None:
        with owned(tmp_path, "here"), pytest.raises(OwnedError), owned(tmp_path, "second"):
            pass
        assert list(tmp_path.iterdir()) == []
        return
    with pytest.raises(OwnedError, match=said), owned(tmp_path, "here"):
        pass
    assert (tmp_path / OWNER_FILE).is_file()


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    """Some say of it what is said of one that was removed a moment ago: not for ever."""
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    said = "exists|No such|denied|Read-only"
    for folder in (tmp_path / "nowhere", tmp_path / "nowhere/run", Path("/proc/run")):
        with pytest.raises(OSError, match=said), owned(folder, "here"):
            pass

"""``qaconv serve`` as a command: it says where it is, and ends when it is told to."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from qaconv_reid import cli
from support.images import write_market
from support.trained import write_run

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_market(home / "market", 0, 3)
    write_run(home / "run")
    place = str(home / "g.safetensors")
    assert cli.main(["gallery", "add", str(home / "run"), place, str(home / "market")]) == 0
    return home


def test_it_serves_until_it_is_interrupted(home):
    command = (sys.executable, "-m", "qaconv_reid", "serve", "run", "g.safetensors", "--port", "0")
    before = sorted(home.rglob("*"))
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            uncalibrated = process.stdout.readline()
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            with urllib.request.urlopen(address + "api/gallery", timeout=30) as answer:
                assert json.load(answer)["rows"] == 9
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert uncalibrated == "probabilities are not calibrated: qaconv calibrate RUN\n"
    assert (rest, process.returncode) == ("ended\n", 0)
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_other_hosts_come_with_a_warning(home, capsys, monkeypatch, host):
    monkeypatch.chdir(home)
    monkeypatch.setattr("qaconv_reid.recipes.serve.run", lambda app, bound: None)
    assert cli.main(["serve", "run", "g.safetensors", "--port", "0", "--host", host]) == 0
    said = capsys.readouterr().out
    assert f"http://{host}:" in said
    warned = "warning: on 0.0.0.0 everybody who reaches this machine can search" in said
    assert warned == (host == "0.0.0.0")


def test_mistakes_are_said_in_a_sentence(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for argv, said in (
            (("none", "none", "--port", port), f"--port: got {port} on 127.0.0.1, which another"),
            (("run", "none.safetensors", "--port", "0"), "none.safetensors: there is no such gall"),
            (("none", "g.safetensors", "--port", "0"), "none: there is no trained run"),
        ):
            assert cli.main(["serve", *argv]) == cli.USER_ERROR
            error = capsys.readouterr().err
            assert error.count("\n") == 1
            assert said in error


def test_what_is_not_installed_is_named(home, capsys, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith(("qaconv_reid.serve", "qaconv_reid.recipes.serve")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.chdir(home)
    assert cli.main(["serve", "run", "g.safetensors", "--port", "0"]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert said == "qaconv: error: this needs fastapi: pip install 'qaconv-ext[serve]'\n"

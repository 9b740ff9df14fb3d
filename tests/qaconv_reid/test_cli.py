"""The command: what it takes, what it says of mistakes, what it does not import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import qaconv_ext
from qaconv_reid import cli
from qaconv_reid.text import printable
from support.images import corrupt, write_person_folders


def run(capsys, *argv):
    """Exit code, standard output and standard error of a command, in this process."""
    try:
        code = cli.main(argv)
    except SystemExit as end:  # argparse's own
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def error_line(captured_error):
    lines = captured_error.strip().splitlines()
    assert len(lines) == 1, captured_error
    assert lines[0].startswith("qaconv: error: ")
    return lines[0].removeprefix("qaconv: error: ")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("train",),
        ("evaluate",),
        ("match",),
        ("report",),
        ("calibrate",),
        ("gallery",),
        ("gallery", "add"),
        ("gallery", "info"),
        ("gallery", "remove"),
        ("search",),
        ("data",),
        ("data", "check"),
        ("data", "make"),
        ("config",),
        ("doctor",),
    ],
)
def test_help(capsys, argv):
    code, out, _ = run(capsys, *argv, "--help")
    assert code == 0
    assert out.startswith(f"usage: {' '.join(('qaconv', *argv))}")


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"qaconv {qaconv_ext.__version__}\n", "")


def test_help_imports_nothing_big():
    script = (
        "import sys; from qaconv_reid import cli\n"
        "try: cli.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*{'torch', 'numpy', 'pydantic', 'rich'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("train", "tinny"), "tinny: no such file or run"),
        (("train", "tiny", "sampler.batchsize=8"), "did you mean sampler.batch_size?"),
        (("train", "tiny", "--resume", "sampler.batchsize=8"), "did you mean sampler.batch_size?"),
        (("train", "tiny", "paper"), "paper: got a second source of settings"),
        (("train", "tiny"), "data.train: got no data set"),
        (("train", "tiny", "data.train=/no/where"), "/no/where: there is no such file or folder"),
        (("train", "/no/where", "--resume"), "/no/where: no such file or run"),
        (("train", "tiny", "--resume", "name=never"), "there is no run in this folder"),
        (("evaluate", "tiny", "name=never"), "there is no run in this folder"),
        (("evaluate", "tiny", "--untrained"), "data.test: got no data set"),
        (("evaluate", "tiny", "--untrained", "--data", "/no/where"), "/no/where: there is no"),
        (("data", "check", "/no/where"), "/no/where: there is no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(capsys, *argv)
    assert code == 2
    assert said in error_line(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "argv", [("data", "check", "a", "b"), ("train", "tiny", "--fast"), ("doctor", "x"), ("dance",)]
)
def test_arguments_that_do_not_exist(capsys, argv):
    code, _, error = run(capsys, *argv)
    assert code == 2
    assert "usage: qaconv" in error


def test_a_missing_dependency_names_the_extra():
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from qaconv_reid import cli\n"
        "sys.exit(cli.main(['train', 'tiny']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert error_line(done.stderr) == "this needs pydantic: pip install 'qaconv-ext[reid]'"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(cli.parser.actions, "_settings", lambda arguments: {}["gone"])
    with pytest.raises(KeyError, match="gone"):
        cli.main(["train", "tiny"])


def test_data_check(capsys, tmp_path: Path):
    write_person_folders(tmp_path / "people", 3, 2)
    code, out, _ = run(capsys, "data", "check", str(tmp_path / "people"))
    assert code == 0
    assert "ready to use" in out

    code, out, _ = run(capsys, "data", "check", str(tmp_path / "people"), "--layout", "folder")
    assert code == 0


def test_data_check_of_broken_images(capsys, tmp_path: Path):
    write_person_folders(tmp_path, 3, 2)
    next(tmp_path.rglob("*.png")).write_bytes(b"no image")
    code, out, _ = run(capsys, "data", "check", str(tmp_path))
    assert code == 1
    assert "problem" in out


def test_doctor_gives_its_own_exit_code(monkeypatch):
    from qaconv_ext import doctor

    monkeypatch.setattr(doctor, "main", lambda: 7)
    assert cli.main(["doctor"]) == 7


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--protocol", "duke"), "--protocol: got 'duke', wanted one of market, cuhk03"),
        (("--area", "round"), "evaluation.average_precision: got 'round', wanted 'plain' or"),
        (("--precision", "int4"), "evaluation.precision: got 'int4', wanted 'float32', 'bfloat16'"),
        (("--protocol", "cuhk03", "--area", "trapezoid"), "--area: got 'trapezoid' with"),
        (("--json", "no/where.json"), "--json: got no/where.json, wanted a file that can be"),
        (("--npz",), "--npz: got it alone, wanted --features FOLDER beside it"),
        (("--csv", "."), "--csv: got ., wanted a file that can be written: Is a directory"),
    ],
)
def test_what_evaluate_cannot_do_is_said_before_any_data_set_is_read(
    capsys, tmp_path, monkeypatch, argv, said
):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(capsys, "evaluate", "tiny", "--untrained", "--data", "/no/where", *argv)
    assert code == 2
    assert error_line(error).startswith(said)
    assert list(tmp_path.iterdir()) == []


#: Of a file: it would clear the screen, begin a line of its own and turn it around.
UNKIND = "a\x1b[2J\nqaconv: error: b\u202e"


def test_names_of_files_are_shown_and_not_obeyed(capsys, tmp_path: Path):
    write_person_folders(tmp_path / UNKIND, 2, 2, height=16, width=8)
    (tmp_path / UNKIND / "0001" / f"{UNKIND}.png").write_bytes(b"")
    (tmp_path / UNKIND / f"{UNKIND}2").mkdir()
    code, out, err = run(capsys, "data", "check", str(tmp_path / UNKIND))
    assert code == 1
    assert err == ""
    assert printable(UNKIND) in out.replace("\n", "")
    for argv in (
        ("data", "check", str(tmp_path / f"{UNKIND}3")),
        ("data", "check", str(tmp_path / UNKIND / f"{UNKIND}2")),
        ("data", "measure", str(tmp_path / UNKIND / f"{UNKIND}2")),
        ("train", "tiny", f"data.train={tmp_path / UNKIND / UNKIND}"),
    ):
        code, more, err = run(capsys, *argv)
        assert code == 2
        assert r"a\x1b[2J\nqaconv: error: b\u202e" in err
        assert err.count("qaconv: error: b") == err.count(r"\nqaconv: error: b")
        out += more + err
    assert not set("\x1b\u202e") & set(out)


@pytest.mark.parametrize("suffix", ["gztar", "tar"])
def test_an_archive_is_to_be_unpacked(capsys, tmp_path: Path, suffix):
    write_person_folders(tmp_path / "people", 2, 2, height=16, width=8)
    file = shutil.make_archive(str(tmp_path / "people"), suffix, tmp_path / "people")
    code, _, err = run(capsys, "data", "check", file)
    assert code == 2
    assert "this is an archive, wanted a data set: unpack it" in error_line(err)
    code, _, err = run(capsys, "data", "measure", file)
    assert code == 2
    assert "this is an archive, wanted data sets: unpack it" in error_line(err)


def test_data_check_decodes_all_and_shows_a_pattern(capsys, tmp_path: Path):
    write_person_folders(tmp_path, 20, 2, height=64, width=32)
    corrupt(tmp_path / "0009" / "000.png")
    assert run(capsys, "data", "check", str(tmp_path))[0] == 0
    code, out, _ = run(capsys, "data", "check", str(tmp_path), "--all")
    assert code == 1
    assert "problem: train: 1 of 40 images cannot be read" in out
    code, out, _ = run(
        capsys, "data", "check", str(tmp_path), "--pattern", r"(?P<pid>\d+)/(?P<cam>\d+)\."
    )
    assert code == 0
    assert out.index("0001/000.png") < out.index("layout pattern")
    code, _, err = run(capsys, "data", "check", str(tmp_path), "--pattern", "(?P<pid>")
    assert code == 2
    assert error_line(err).startswith("data.pattern: got '(?P<pid>', wanted a pattern such as")
    code, _, err = run(capsys, "data", "check", f"folder:{tmp_path}", "--pattern", "(?P<pid>.)")
    assert code == 2
    assert error_line(err) == "--pattern: got it with the layout folder, wanted one of them"

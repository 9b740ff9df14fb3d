"""JSON is read by a type, or refused in a sentence that names file, entry, got and wanted."""

from __future__ import annotations

import os

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from qaconv_reid.documents import DocumentError, check, read


class Point(BaseModel):
    model_config = ConfigDict(strict=True)

    x: float
    names: list[str] = []
    either: int | str | None = None


POINT = TypeAdapter(Point)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "got no JSON"),
        (b"{", "got no JSON"),
        (b"\xff\xfe\xfd", "got no JSON"),
        (b"1" * 5000, "got no JSON"),
        (b"[" * 5000, "got no JSON (nested too deep)"),
        (b"[]", "got [], wanted"),
        (b"{}", "x: got nothing"),
        (b'{"x": "1"}', "x: got '1', wanted a valid number"),
        (b'{"x": true}', "x: got True"),
        (b'{"x": 1, "names": [1]}', "names.0: got 1, wanted a valid string"),
        (b'{"x": 1, "either": []}', "either: got [], wanted a valid integer or a valid string"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, said):
    file = tmp_path / "point.json"
    file.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        check(POINT, read(file, "a point"), str(file))
    assert str(caught.value).startswith(f"{file}: {said}")
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)


def test_what_is_right_is_read(tmp_path):
    file = tmp_path / "point.json"
    file.write_text('{"x": 1, "names": ["a"], "either": "b"}')
    assert check(POINT, read(file, "a point"), "here") == Point(x=1, names=["a"], either="b")


def test_a_pipe_is_not_waited_at(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DocumentError, match="got something else than a file, wanted a point"):
            read(path, "a point")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent", "a point")

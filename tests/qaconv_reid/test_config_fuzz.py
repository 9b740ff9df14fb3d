"""Settings of any kind: taken within their bounds, or refused in a sentence."""

from __future__ import annotations

import math

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from qaconv_reid import config
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.text import printable
from support.fuzz import fuzz

KEYS = [key for key, _ in config.files._leaves(RunConfig().model_dump())]
SECTIONS = sorted({key.partition(".")[0] for key in KEYS if "." in key})

#: What people and programs write: right, at the edge, and far beyond.
VALUES = st.one_of(
    st.sampled_from([True, False, 0, 1, -1, 2, 64, 2**31, 2**63 - 1, 2**70, 10**400]),
    st.sampled_from([0.0, 1.0, 0.5, 1e-300, 1e30, math.inf, -math.inf, math.nan]),
    st.sampled_from(["", "auto", "cpu", "meta", "graph", "resnet18", "a\0b", "\x1b[2J", "x" * 999]),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def attempt(*arguments):
    """The settings, which come back from their own text; or None, refused in a sentence."""
    try:
        found = config.load(*arguments)
    except ConfigError as error:
        said = str(error)
        assert printable(said) == said
        assert 0 < len(said) <= 600
        return None
    for _, value in config.files._leaves(found.model_dump()):
        if isinstance(value, int | float):
            assert abs(value) < 2**63
    return found


@fuzz(300)
@given(st.lists(st.tuples(st.sampled_from([*KEYS, *SECTIONS]), VALUES), min_size=1, max_size=3))
def test_settings_of_any_value(pairs):
    def text(value):
        return tomli_w.dumps({"v": value}).removeprefix("v = ").strip() if value != {} else "{}"

    found = attempt(None, [f"{key}={text(value)}" for key, value in pairs])
    if found is not None:
        assert config.differences(RunConfig.model_validate(found.model_dump()), found) == []


@fuzz(200)
@given(st.lists(st.text(max_size=20), max_size=3))
def test_overrides_of_any_text(overrides):
    attempt(None, overrides)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("settings") / "mine.toml"


@fuzz(200)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet="[]{}=.\"'\n#aftrue0123-:,", max_size=60).map(str.encode),
        st.recursive(
            VALUES, lambda it: st.dictionaries(st.sampled_from(SECTIONS), it), max_leaves=5
        )
        .filter(lambda it: isinstance(it, dict))
        .map(lambda it: tomli_w.dumps(it).encode(errors="replace")),
    )
)
def test_files_of_any_bytes(file, content):
    file.write_bytes(content)
    attempt(file)


@fuzz(200)
@given(st.text(max_size=300))
def test_sources_of_any_name(name):
    attempt(name)

"""Weights that nobody saved so: they fill the backbone, or are refused and nothing is changed."""

from __future__ import annotations

import io

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from qaconv_reid.models.weights import load_weights
from support.fuzz import fuzz


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


MINE = small().state_dict()


def saved(content, **how):
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


FILES = [
    saved({"model": MINE, "epoch": 3}),
    saved(MINE, _use_new_zipfile_serialization=False),
    safetensors.torch.save(MINE),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "w.pth"


def attempt(file, part=None):
    module = small()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        load_weights(module, file, part=part)
    except ValueError as error:
        said = str(error)
        assert said.startswith(("weights: got ", "part_of_weights: got "))
        assert "\n" not in said
        assert "weights_only" not in said
        now = module.state_dict()
        assert all(torch.equal(now[name], value) for name, value in before.items())
        return None
    assert all(
        value.isfinite().all() and value.layout == torch.strided
        for value in module.state_dict().values()
    )
    return module


@fuzz(150)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0.5, 1),
)
def test_bytes_that_were_changed_or_cut_off(file, content, changes, length):
    content = bytearray(content)
    for place, byte in changes:
        content[int(place * len(content))] = byte
    file.write_bytes(content[: int(length * len(content)) if length < 0.9 else len(content)])
    attempt(file)


@fuzz(150)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x08" + b"\0" * 7])
)
def test_any_bytes(file, content, head):
    file.write_bytes(head + content)
    attempt(file)


def _changed(value, kind):
    if not value.is_floating_point():
        return value
    return {
        "same": value,
        "half": value.half(),
        "double": value.double(),
        "float8": value.to(torch.float8_e4m3fn),
        "int8": value.to(torch.int8),
        "complex": value.to(torch.complex64),
        "sparse": value.to_sparse(),
        "meta": value.to("meta"),
        "nan": value * float("nan"),
        "wider": value[None],
        "empty": value[:0],
    }[kind]


GOOD = ("same", "half", "double", "float8")
TENSORS = st.sampled_from([*GOOD, "int8", "complex", "sparse", "meta", "nan", "wider", "empty"])
WRAPPERS = st.lists(st.sampled_from(["model", "teacher", "net", "x.y", "state"]), max_size=3)
PREFIXES = st.sampled_from(["", "module.", "backbone.", "base.", "a.b.", "module.backbone.", "."])


@fuzz(200)
@given(
    st.lists(st.tuples(WRAPPERS, PREFIXES, TENSORS, st.sampled_from([*MINE, "all"])), max_size=3),
    st.dictionaries(st.text(max_size=3), st.sampled_from([1, "x", None, [1], {}]), max_size=2),
    st.sampled_from([None, None, "model", "teacher", "a", ""]),
)
def test_any_arrangement(file, networks, beside, part):
    document = dict(beside)
    for wrappers, prefix, kind, which in networks:
        place = document
        for name in wrappers:
            if not isinstance(place.get(name), dict):
                place[name] = {}
            place = place[name]
        for name, value in MINE.items():
            place[f"{prefix}{name}"] = _changed(value, kind) if which in (name, "all") else value
    file.write_bytes(saved(document))
    filled = attempt(file, part)
    if len(networks) == 1 and not beside and part is None and networks[0][2] in GOOD:
        assert filled is not None

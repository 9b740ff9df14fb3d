"""Files of a run as nobody's program wrote them: gone on with, or refused by name."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaconv_reid.config import ConfigError
from qaconv_reid.documents import DocumentError
from qaconv_reid.recipes.query_file import _COLUMNS as COLUMNS
from qaconv_reid.recipes.query_file import read_queries
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.text import printable
from qaconv_reid.training import SAVED_RUN, CheckpointError, CollapsedError, checkpoint
from support.fuzz import fuzz
from support.runs import small_config, small_images, small_trainer

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2**70),
        st.floats(),
        st.sampled_from(["", "nan", "x", "1", "\x1b[2J", "\ud800"]),
    ),
    lambda it: st.one_of(
        st.lists(it, max_size=2),
        st.dictionaries(
            st.sampled_from(["epoch", "__tensor__", "loss", "mAP", "x"]), it, max_size=2
        ),
    ),
    max_leaves=4,
)

#: What changes in a document: whose turn it is at each level, and what becomes of it.
CHANGES = st.lists(
    st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.none() | JSON), max_size=2
)


def changed(document, changes):
    document = copy.deepcopy(document)
    for turns, value in changes:
        place = document
        for turn in turns:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = keys[turn % len(keys)]
            if turn is turns[-1] or not isinstance(place[key], dict | list):
                place[key] = value
                break
            place = place[key]
    return document


def refusal(error, file):
    said = str(error)
    assert said.startswith(str(file))
    assert printable(said) == said
    assert len(said) <= 600


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trainer in the midst of its first epoch, and the folder of its checkpoint."""
    root = tmp_path_factory.mktemp("run")
    config = small_config("data.cache=memory")
    trainer = small_trainer(small_images(root / "people"), config)
    for _ in trainer.epochs(lambda: trainer.position == 1):
        pass
    state = trainer.state_dict() | {"best": 0.0, "since_best": 0}
    checkpoint.save(root / "checkpoint", state)
    document = json.loads((root / "checkpoint" / "state.json").read_text())
    del document["state_sha256"]
    return trainer, root / "checkpoint", document


@fuzz(250)
@given(changes=CHANGES)
def test_any_state(run, changes):
    trainer, folder, document = run
    file = folder / "state.json"
    file.write_text(json.dumps(changed(document, changes)), encoding="utf-8")
    try:
        saved = checkpoint.load(folder, SAVED_RUN)
    except CheckpointError as error:
        refusal(error, folder)
        return
    with suppress(ValueError, CollapsedError):  # which `train` says as errors of a checkpoint
        trainer.load_state_dict(saved)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    return RunFolder(tmp_path_factory.mktemp("folder"))


@fuzz(200)
@given(
    st.one_of(
        st.binary(max_size=50),
        st.lists(st.dictionaries(st.sampled_from(["epoch", "seconds", "loss"]), JSON)).map(
            lambda records: "\n".join(map(json.dumps, records)).encode()
        ),
    )
)
def test_any_log(folder, content):
    folder.metrics.write_bytes(content)
    try:
        for record in folder.epochs():
            assert record["epoch"] > 0
            assert record["seconds"] is not None
        folder.forget_metrics_after(0)
        assert folder.epochs() == []
    except DocumentError as error:
        refusal(error, folder.metrics)


@fuzz(200)
@given(
    st.one_of(
        st.binary(max_size=50),
        JSON.map(lambda it: json.dumps(it).encode()),
        st.lists(st.dictionaries(st.sampled_from(["dataset", "mAP", "rank1", "root"]), JSON)).map(
            lambda entries: json.dumps(entries).encode()
        ),
    )
)
def test_any_results(folder, content):
    folder.evaluation.write_bytes(content)
    try:
        folder.check_results()
        folder.write_evaluation([], 3)
    except DocumentError as error:
        refusal(error, folder.evaluation)
        assert folder.evaluation.read_bytes() == content


@fuzz(150)
@given(st.lists(st.lists(st.text(max_size=4), max_size=15), max_size=3), st.binary(max_size=20))
def test_any_table_of_queries(folder, rows, rest):
    lines = [",".join(COLUMNS), *(",".join(row) for row in rows)]
    content = "\n".join(lines).encode(errors="replace") + b"\n" + rest
    folder.evaluation_queries.write_bytes(content)
    folder.evaluation.unlink(missing_ok=True)
    for reading in (folder.check_results, lambda: read_queries(folder.evaluation_queries)):
        try:
            reading()
        except (ConfigError, DocumentError) as error:
            refusal(error, folder.evaluation_queries)
    folder.evaluation_queries.unlink()


@fuzz(60)
@given(
    st.dictionaries(
        st.sampled_from(["process", "host", "what", "since", "x"]), JSON, max_size=4
    ).map(json.dumps)
    | st.text(max_size=9)
)
def test_any_word_of_an_owner(folder, text):
    (folder.path / "owner.json").write_text(text, encoding="utf-8", errors="replace")
    said: list[str] = []
    with folder.owned("test", said.append):
        pass
    assert len(said) <= 1
    assert not Path(folder.path / "owner.json").exists()

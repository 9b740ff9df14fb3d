"""One vector an image: against plain arithmetic, and all of them in one list."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from qaconv_reid.data import Record
from qaconv_reid.evaluation import (
    BASELINES,
    Baseline,
    Images,
    PooledEmbedding,
    Stripes,
    baselines,
    score_blocks,
)
from qaconv_reid.evaluation.baselines import baseline as module

PEOPLE = [Record(Path("a.jpg"), 1)] * 5


@pytest.fixture
def maps():
    return torch.randn(5, 7, 12, 4, generator=torch.Generator().manual_seed(0))


def unit(vector):
    return vector / vector.norm()


def test_every_file_is_in_the_list():
    files = sorted(Path(baselines.__file__).parent.glob("*.py"))
    names = {file.stem for file in files} - {"__init__", "baseline"}
    assert {type(one).__module__.rpartition(".")[2] for one in BASELINES} == names
    assert len({one.name for one in BASELINES}) == len(BASELINES)
    for name in names:
        exported = importlib.import_module(f"{baselines.__name__}.{name}").__all__
        assert all(issubclass(getattr(baselines, each), Baseline) for each in exported)


def test_the_pooled_embedding_is_the_mean_of_all_places(maps):
    vectors = PooledEmbedding().vectors(Images(PEOPLE, maps))
    for vector, one in zip(vectors, maps, strict=True):
        torch.testing.assert_close(vector, unit(one.flatten(1).mean(1)))


@pytest.mark.parametrize(("count", "height"), [(None, 1), (4, 3), (6, 2)])
def test_stripes_are_the_means_of_rows_of_one_length_each(maps, count, height):
    vectors = Stripes(count).vectors(Images(PEOPLE, maps))
    for vector, one in zip(vectors, maps, strict=True):
        stripes = [one[:, top : top + height].flatten(1).mean(1) for top in range(0, 12, height)]
        joined = torch.cat([unit(stripe) for stripe in stripes])
        torch.testing.assert_close(vector, unit(joined))


def test_scores_are_the_mean_of_the_cosines_of_the_stripes(maps):
    stripes = Stripes()
    vectors = stripes.vectors(Images(PEOPLE, maps))
    (scores,) = score_blocks(stripes, vectors[:2], vectors)
    rows = torch.nn.functional.normalize(maps.mean(3), dim=1)
    torch.testing.assert_close(scores, torch.einsum("pcr,gcr->pg", rows[:2], rows) / 12)
    torch.testing.assert_close(scores.diagonal(), torch.ones(2))


def test_maps_in_half_precision_are_taken_a_block_at_a_time(maps, monkeypatch):
    whole = Stripes(8).vectors(Images(PEOPLE, maps.half().float()))
    monkeypatch.setattr(module, "_BLOCK", 2)
    torch.testing.assert_close(Stripes(8).vectors(Images(PEOPLE, maps.half())), whole)


def test_eight_stripes_of_eight_rows_are_the_rows():
    assert Stripes().tells_apart(8)
    assert not Stripes(8).tells_apart(8)
    assert Stripes(8).tells_apart(9)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="count: got 0, wanted at least 1 stripe"):
        Stripes(0)
    with pytest.raises(ValueError, match="8 stripes: got images without maps"):
        Stripes(8).vectors(Images(PEOPLE))

"""Ray's workers give the bits of this process, however many they are and whoever dies."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from qaconv_reid.gallery import Gallery, GalleryError, open_table
from qaconv_reid.gallery.search import find, find_each
from support.galleries import PixelEncoder, fill, maker, random_maps

pytestmark = pytest.mark.recipe  # a Ray of its own for each: minutes on two cores

ray = pytest.importorskip("ray")
pytest.importorskip("lancedb")

from qaconv_reid.gallery.ray import RayFind, RayRescore, find_part, score_shard  # noqa: E402


@pytest.fixture
def workers(monkeypatch):
    """Start a local Ray of so many workers, which find what this process finds."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

    def start(count):
        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False)

    yield start
    ray.shutdown()


@pytest.fixture
def table(tmp_path):
    table = open_table(tmp_path / "people.lance", maker())
    for seed in range(5):
        fill(table, 500, seed)
    return table


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bits(count, table, workers):
    workers(count)
    queries = random_maps(2, seed=9)
    for options in ({"length": 2500}, {"length": 700}, {"where": "camera != 3"}):
        here = find(table, queries, 20, **options)
        there = find(table, queries, 20, rescore=RayRescore(), **options)
        for one, other in zip(here, there, strict=True):
            assert np.array_equal(one.numbers, other.numbers)
            assert np.array_equal(one.scores, other.scores)


def same(some, others):
    for one, other in zip(some, others, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.numbers, b.numbers)
            assert np.array_equal(a.scores, b.scores)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_parts_of_queries_get_the_same_bits_by_any_number_of_workers(count, table, workers):
    workers(count)
    parts = [random_maps(size, seed=size) for size in (3, 1, 2, 4, 3, 1, 2, 5, 1)]
    for options in ({"where": None, "length": 700}, {"where": "camera != 3", "length": None}):
        here = list(find_each(table, parts, 20, **options))
        same(RayFind()(table, iter(parts), 20, **options), here)


def test_a_worker_killed_in_a_part_is_retried(table, workers, tmp_path):
    workers(2)
    mark = tmp_path / "killed"

    def dies_once(place, queries, *how):
        import os
        import signal

        if len(queries) == 4:
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return find_part(place, queries, *how)

    parts = [random_maps(size, seed=size) for size in (3, 4, 2, 1)]
    how = {"where": None, "length": 700}
    found = list(RayFind(dies_once)(table, iter(parts), 20, **how))
    assert mark.exists()
    same(found, find_each(table, parts, 20, **how))


def test_a_killed_worker_is_retried(table, workers, tmp_path):
    workers(2)
    mark = tmp_path / "killed"

    def dies_once(place, queries, numbers):
        import os
        import signal

        if 1000 in numbers:
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return score_shard(place, queries, numbers)

    queries = random_maps(1, seed=9)
    found = find(table, queries, 20, length=2500, rescore=RayRescore(dies_once))[0]
    wanted = find(table, queries, 20, length=2500)[0]
    assert mark.exists()
    assert np.array_equal(found.numbers, wanted.numbers)
    assert np.array_equal(found.scores, wanted.scores)


def test_what_workers_cannot_read_is_named(workers, tmp_path, table):
    workers(1)
    image = np.zeros((8, 4, 3), np.uint8)
    small = Gallery(open_table(None, maker()), PixelEncoder())
    fill(small.table, 5)
    with pytest.raises(GalleryError, match="got ray for the gallery in memory, wanted a table of"):
        small.search(image, engine="ray")
    with pytest.raises(GalleryError, match="got ray for the gallery in memory, wanted a table of"):
        next(small.search_parts([[]], engine="ray"))

    def fails(place, queries, numbers):
        raise ValueError("no such disk")

    with pytest.raises(GalleryError, match=r"people.lance: a worker of Ray failed: no such disk"):
        find(table, random_maps(1), 3, rescore=RayRescore(fails))
    kept = Gallery(table, PixelEncoder())
    assert kept.search(image, engine="ray", exact=True) == kept.search(image, exact=True)

"""An evaluation that is killed goes on where it was, and ends with the same numbers."""

import dataclasses
import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, normalize

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import Cost, Measures, Rates, Work, evaluate, evaluator
from qaconv_reid.evaluation.row_file import RowFile, rows_done
from support.images import draw_person

HEIGHT, WIDTH, BATCH, BLOCK = 32, 16, 4, 3
QUERIES, GALLERY = 14, 28


class Network(nn.Module):
    """Notes how many images it is given; killed when they are more than ``last``."""

    def __init__(self, last=10**6):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.last = last
        self.images = 0

    def forward(self, images):
        self.images += len(images)
        if self.images > self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return normalize(avg_pool2d(images * self.scale, 8) - 0.4, dim=1)


class Matcher(nn.Module):
    """As the network, with calls."""

    def __init__(self, last=10**6):
        super().__init__()
        self.last = last
        self.calls = 0

    def forward(self, probe, gallery):
        self.calls += 1
        if self.calls > self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.einsum("pchw,gchw->pg", probe.float(), gallery.float())


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    root = tmp_path_factory.mktemp("people")

    def records(part, count):
        for number in range(count):
            person, camera = number % 7, int(part == "gallery")
            path = root / f"{part}_{number}.png"
            draw_person(person, camera, number, height=HEIGHT, width=WIDTH).save(path)
            yield Record(path, person, camera)

    query, gallery = (tuple(records(*it)) for it in (("query", QUERIES), ("gallery", GALLERY)))
    return ReidDataset("people", "folder", root, (), query, gallery)


def run(people, work, network, matcher, **options):
    return evaluate(
        network,
        matcher,
        people,
        HEIGHT,
        WIDTH,
        batch=BATCH,
        query_block=BLOCK,
        work=work.of(people),
        **options,
    )


def killed(people, folder, network, matcher):
    """Evaluate in a process that has to be killed."""

    def work():
        torch.set_num_threads(1)  # the parent's threads are not in a forked child
        run(people, Work(folder, (network, matcher)), network, matcher)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def whole(people, tmp_path):
    network, matcher = Network(), Matcher()
    return run(people, Work(tmp_path / "whole", (network, matcher)), network, matcher)


def assert_same(left, right):
    assert [m.name for m in left.measured] == [m.name for m in right.measured]
    for one, other in zip(left.measured, right.measured, strict=True):
        for field in dataclasses.fields(one.ranking):
            np.testing.assert_array_equal(
                getattr(one.ranking, field.name), getattr(other.ranking, field.name)
            )


def test_finished_scores_are_not_matched_again(people, whole, tmp_path):
    # A call for the rehearsal, then one for each block: two are finished.
    killed(people, tmp_path / "work", Network(), Matcher(last=3))
    network, matcher = Network(), Matcher()
    work = Work(tmp_path / "work", (network, matcher))
    result = run(people, work, network, matcher)
    assert network.images == 1  # the rehearsal's
    assert matcher.calls == 1 + 3  # of 5 blocks
    assert_same(result, whole)
    assert result.notes[-1] == (
        "went on after 42 of 42 maps and the scores of 6 of 14 queries; seconds are of the rest"
    )
    work.finish()
    assert not (tmp_path / "work").exists()


def test_finished_maps_are_not_made_again(people, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("qaconv_reid.evaluation.kept_features.NOTE_SECONDS", 0.0)
    # The rehearsal, the queries and two batches of the gallery.
    killed(people, tmp_path / "work", Network(last=1 + QUERIES + 2 * BATCH), Matcher())
    network, matcher = Network(), Matcher()
    result = run(people, Work(tmp_path / "work", (network, matcher)), network, matcher)
    assert network.images == 1 + GALLERY - 2 * BATCH
    assert_same(result, whole)


def test_what_is_finished_costs_nothing(people, tmp_path):
    killed(people, tmp_path / "work", Network(), Matcher(last=3))
    work = Work(tmp_path / "work", (Network(), Matcher())).of(people)
    cost = Cost.of(people, Rates(1.0, 1.0, 1), Measures(), work=work)
    assert (cost.feature_seconds, cost.pairs) == (0, (QUERIES - 6) * GALLERY)


def test_refined_scores_read_what_is_kept(people, tmp_path):
    network, matcher = Network(), Matcher()
    measures = Measures(rerank=True)
    killed(people, tmp_path / "work", Network(), Matcher(last=3))
    result = run(
        people, Work(tmp_path / "work", (network, matcher)), network, matcher, measures=measures
    )
    whole = evaluate(network, matcher, people, HEIGHT, WIDTH, measures=measures)
    assert_same(result, whole)


def test_other_weights_images_or_settings_begin_anew(people, tmp_path):
    def done(network, dataset=people, **settings):
        work = Work(tmp_path / "work", (network, Matcher()), **settings)
        found = work.of(dataset).done("scores")
        work.finish()
        return found

    def leave_work():
        network, matcher = Network(), Matcher()
        run(people, Work(tmp_path / "work", (network, matcher)), network, matcher)

    leave_work()
    other = Network()
    other.scale.data += 1
    fewer = dataclasses.replace(people, query=people.query[1:])
    assert done(Network(), height=32) == 0
    assert done(Network(), fewer) == 0
    assert done(Network()) == QUERIES
    leave_work()
    image = people.query[0].path
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
    assert done(Network()) == 0
    # Of other weights: what is there serves nobody any more.
    assert done(other) == 0
    assert not (tmp_path / "work").exists()


def test_two_evaluations_at_once_do_not_share_their_work(people, tmp_path):
    models = Network(), Matcher()
    first, second = (Work(tmp_path / "work", models) for _ in range(2))
    assert first.of(people) is not None
    assert second.of(people) is None
    second.forget()
    second.finish()
    assert first.of(people) is first.of(people)
    first.finish()
    assert not (tmp_path / "work").exists()


def test_work_is_forgotten_when_that_is_asked_for(people, tmp_path):
    network, matcher = Network(), Matcher()
    run(people, Work(tmp_path / "work", (network, matcher)), network, matcher)
    again = Work(tmp_path / "work", (network, matcher))
    again.forget()
    assert again.of(people).done("scores") == 0


def test_large_maps_are_mapped_from_a_file(people, whole, monkeypatch, tmp_path):
    files = []

    def look(query, gallery):
        files.extend(path.name for path in tmp_path.glob("qaconv-*/*.rows"))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(evaluator, "MAPPED_FROM", 0)
    result = evaluate(Network(), Matcher(), people, HEIGHT, WIDTH, on_features=look)
    assert_same(result, whole)
    assert sorted(files) == ["gallery.rows", "query.rows"]
    assert list(tmp_path.glob("qaconv-*")) == []


def test_rows_of_a_file(tmp_path):
    path = tmp_path / "a.rows"
    file = RowFile(path, 3, (2,), torch.float16)
    file.rows[:2] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert rows_done(path) == 0
    file.note(2)
    assert rows_done(path) == 2
    again = RowFile(path, 3, (2,), torch.float16)
    assert again.done == 2
    assert again.rows[:2].tolist() == [[1, 2], [3, 4]]
    assert RowFile(path, 4, (2,), torch.float16).done == 0


def test_a_full_disk_is_said_before_it_ends_the_process(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"got a full disk, wanted 2\.0 GiB.*a\.rows"):
        RowFile(tmp_path / "a.rows", 1 << 20, (512,), torch.float32)
    assert list(tmp_path.iterdir()) == []

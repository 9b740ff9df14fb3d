"""A run divided among processes: the same graph and batches, and losses as of one process."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from qaconv_reid.config import ConfigError
from qaconv_reid.ranks import Ranks, joined
from qaconv_reid.training import check_divisible, checkpoint
from support.processes import in_processes
from support.runs import small_config, small_images, small_trainer

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="torch without distributed")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small_images(tmp_path_factory.mktemp("persons"))


def this_process():
    if not distributed.is_initialized():
        return Ranks()
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def train(images, config, resume=None, keep=None, steps=10**9):
    """Losses, graphs, batches and weights of a run, or of some steps of it."""
    ranks = this_process()
    trainer = small_trainer(images, config, ranks=ranks)
    graphs, batches = [], []
    refresh, gradients = trainer.refresh, trainer._gradients

    def watched(chosen):
        nearest = refresh(chosen)
        graphs.append(nearest.tolist())
        return nearest

    def seen(pixels, labels, weight):
        batches.append(labels.tolist())
        return gradients(pixels, labels, weight)

    trainer.refresh, trainer._gradients = watched, seen
    if resume is not None:
        trainer.load_state_dict(checkpoint.load(resume))
    asked = itertools.count(1)
    losses = [report.loss for report in trainer.epochs(lambda: next(asked) >= steps)]
    if keep is not None and ranks.first:
        checkpoint.save(keep, trainer.state_dict())
    weights = torch.cat([weight.detach().flatten() for weight in trainer.step.learning()])
    return losses, graphs, batches, weights.numpy()


def assert_alike(answers, wanted):
    losses, graphs, batches, weights = wanted
    for got in answers:
        assert got[1] == graphs
        assert got[2] == batches
        assert got[0] == pytest.approx(losses, rel=1e-4)
        torch.testing.assert_close(
            torch.from_numpy(got[3]), torch.from_numpy(weights), rtol=2e-3, atol=2e-5
        )
        # The processes themselves go in step, to the last bit.
        assert (got[3] == answers[0][3]).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("loss", ["pairwise", "class_memory", "softmax"])
def test_any_number_of_processes_is_the_same_run(images, size, loss):
    """Batches of 6 images: by 4 processes in parts of 2, 2, 1 and 1."""
    config = small_config(f"loss.kind={loss}", "schedule.max_epochs=2")
    assert_alike(in_processes(size, train, images, config), train(images, config))


def test_a_run_goes_on_with_another_number_of_processes(images, tmp_path):
    config = small_config("schedule.max_epochs=2")
    wanted = train(images, config)
    in_processes(3, train, images, config, None, tmp_path, 4)
    answers = in_processes(2, train, images, config, tmp_path)
    losses, graphs, batches, weights = wanted
    # The first graph was made, and its first four batches seen, before the stop.
    assert_alike(answers, (losses, graphs[1:], batches[4:], weights))


def merged():
    ranks = this_process()
    batches = [range(0, 4), range(4, 8), range(8, 9)]
    rows = torch.arange(9.0)
    own = [rows[list(batch)] for batch in ranks.mine(batches)]
    whole = ranks.merged(torch.cat(own) if own else None, batches, torch.device("cpu"))
    return whole.tolist(), ranks.agree(ranks.rank == 1)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows_are_merged_in_the_order_of_the_batches(size):
    for rows, agreed in in_processes(size, merged):
        assert rows == list(range(9))
        assert agreed == (size > 1)


@pytest.mark.parametrize(
    ("setting", "size", "message"),
    [
        ("model.neck_norm=true", 2, "got batch norms in training mode and 2 processes"),
        ("model.freeze_backbone_norms=false", 2, "got batch norms in training mode and 2"),
        ("sampler.batch_size=4", 5, "sampler.batch_size: got 4 for 5 processes"),
    ],
)
def test_what_cannot_be_divided_is_refused_by_name(setting, size, message):
    config = small_config(setting)
    check_divisible(config, Ranks())
    with pytest.raises(ConfigError, match=message):
        check_divisible(config, Ranks(0, size))


def threads():
    """Names of this process's threads, those of libraries too."""
    return [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]


class Stopped(BaseException):
    pass


def threads_after(ends):
    """The threads before, within and after a group that is left by an error, or by none."""
    before = threads()
    try:
        with joined(torch.device("cpu")) as ranks:
            network = ranks.averaged(nn.Linear(2, 2))
            network.itself = [network]  # a cycle, as a trainer has
            network(torch.ones(3, 2)).sum().backward()
            ranks.agree(True)
            within = threads()
            if ends is not None:
                raise ends
    except (ValueError, Stopped):  # the network is still there, and so is the error with its frames
        return before, within, threads()
    return before, within, threads()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("ends", [None, ValueError("a fault"), Stopped("by Ctrl-C")])
def test_no_thread_of_the_group_outlives_it(ends):
    """One that does may abort the process when the interpreter ends."""
    for before, within, after in in_processes(2, threads_after, ends, joined=False):
        assert len(within) > len(before)
        assert sorted(after) == sorted(before)

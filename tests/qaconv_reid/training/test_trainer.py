"""The training loop: what a step does and leaves alone, and going on after a stop."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from qaconv_reid.config import OptimiserConfig
from qaconv_reid.training import checkpoint
from qaconv_reid.training.trainer import build_optimiser
from support.runs import small_config, small_images, small_models, small_trainer


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small_images(tmp_path_factory.mktemp("persons"))


def weights(trainer):
    return {
        f"{part}.{name}": value.clone()
        for part in ("network", "matcher", "objective")
        for name, value in getattr(trainer, part).state_dict().items()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def counter(limit):
    """A ``stop`` that is true from its ``limit``-th question on."""
    asked = itertools.count(1)
    return lambda: next(asked) >= limit


def test_the_paper_s_optimiser():
    network, matcher = small_models()
    optimiser = build_optimiser(network, matcher, OptimiserConfig())

    backbone, fresh = optimiser.param_groups
    assert (backbone["lr"], fresh["lr"]) == (pytest.approx(5e-4), 5e-3)
    assert all(group["nesterov"] and group["momentum"] == 0.9 for group in (backbone, fresh))
    assert all(group["weight_decay"] == 5e-4 for group in (backbone, fresh))
    listed = {id(weight) for group in (backbone, fresh) for weight in group["params"]}
    assert listed == {id(w) for module in (network, matcher) for w in module.parameters()}


@pytest.mark.parametrize("kind", ["graph", "pk"])
def test_epochs(images, kind):
    trainer = small_trainer(images, small_config(f"sampler.kind={kind}"))
    before = weights(trainer)
    reports = list(trainer.epochs())

    assert [report.epoch for report in reports] == [1, 2, 3]
    # Each class once as anchor; or six classes dealt out, three to a batch.
    assert {report.steps for report in reports} == {6 if kind == "graph" else 2}
    assert all(report.skipped_steps == report.dropped_rows == 0 for report in reports)
    assert all(math.isfinite(report.loss) and 0 <= report.accuracy <= 1 for report in reports)
    assert all((report.graph_seconds > 0) == (kind == "graph") for report in reports)
    after = weights(trainer)
    # The backbone's statistics are the pretrained ones; all else learns.
    frozen = {name for name in after if torch.equal(before[name], after[name])}
    assert frozen == {
        "network.backbone.1.running_mean",
        "network.backbone.1.running_var",
        "network.backbone.1.num_batches_tracked",
    }


def test_training_learns_to_tell_drawn_persons_apart(images):
    config = small_config(
        "schedule.kind=step",
        "schedule.step=99",
        "schedule.max_epochs=40",
        "optimiser.learning_rate=0.01",
        "optimiser.backbone_factor=1",
    )
    losses = [report.loss for report in small_trainer(images, config).epochs()]
    # Seeds 0 to 3 end at 0.70 to 0.82 of where they began; rounding alone moves a seed that much.
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_the_rate_follows_the_schedule(images):
    config = small_config("schedule.kind=step", "schedule.step=1", "optimiser.learning_rate=0.008")
    rates = [report.learning_rate for report in small_trainer(images, config).epochs()]
    assert rates == pytest.approx([0.008, 0.0008, 0.00008])


@pytest.mark.parametrize(("clip", "binds"), [(0.0, False), (1e-3, True), (1e6, False)])
def test_network_and_matcher_are_clipped_apart_and_zero_clips_nothing(images, clip, binds):
    trainer = small_trainer(images, small_config(f"optimiser.clip_norm={clip}"))
    for module in (trainer.network, trainer.matcher):
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        count = sum(parameter.numel() for parameter in module.parameters())

        norm = trainer._clip(module)

        assert norm == pytest.approx(math.sqrt(count))
        after = torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).norm()
        assert after == pytest.approx(clip if binds else math.sqrt(count), rel=1e-2)


@pytest.mark.parametrize("where", ["forward", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(images, where):
    trainer = small_trainer(images, small_config("schedule.max_epochs=1"))
    calls = itertools.count()

    def spoil(value):
        return value * math.nan if next(calls) == 1 else value

    neck = trainer.network.neck
    if where == "forward":
        # Only in training: the graph is made by the same network.
        neck.register_forward_hook(lambda m, _, out: spoil(out) if m.training else out)
    else:
        neck.weight.register_hook(spoil)
    step = trainer._step
    unchanged = []

    def watched(*batch):
        before = weights(trainer)
        result = step(*batch)
        unchanged.append(same(before, weights(trainer)))
        return result

    trainer._step = watched
    (report,) = trainer.epochs()

    assert unchanged == [False, True, False, False, False, False]
    assert report.skipped_steps == 1
    assert report.dropped_rows == (6 if where == "forward" else 0)
    assert math.isfinite(report.loss)


def test_an_epoch_without_a_row_that_counts_has_no_loss(images):
    trainer = small_trainer(images, small_config("schedule.max_epochs=1"))
    nn.init.constant_(trainer.network.neck.weight, math.nan)
    (report,) = trainer.epochs()
    assert report.skipped_steps == report.steps == 6
    assert math.isnan(report.loss)


@pytest.mark.parametrize("steps", [1, 6, 8, 17])
@pytest.mark.parametrize("loss", ["pairwise", "class_memory"])
def test_a_resumed_run_ends_bit_for_bit_alike(images, tmp_path, steps, loss):
    config = small_config(f"loss.kind={loss}")
    whole = small_trainer(images, config)
    wanted = [report.loss for report in whole.epochs()]

    first = small_trainer(images, config)
    got = [report.loss for report in first.epochs(counter(steps))]
    checkpoint.save(tmp_path, first.state_dict())
    second = small_trainer(images, config)
    nn.init.zeros_(second.network.neck.weight)
    torch.manual_seed(99)
    second.load_state_dict(checkpoint.load(tmp_path))
    got += [report.loss for report in second.epochs()]

    assert got == wanted
    assert same(weights(second), weights(whole))


def test_workers_change_nothing(images):
    def trained(workers):
        config = small_config(f"runtime.workers={workers}", "schedule.max_epochs=1")
        trainer = small_trainer(images, config)
        list(trainer.epochs(counter(4)))
        return weights(trainer)

    assert same(trained(0), trained(1))


def test_two_seeds_are_two_runs(images):
    def trained(seed):
        trainer = small_trainer(images, small_config(f"runtime.seed={seed}"))
        list(trainer.epochs(counter(2)))
        return weights(trainer)

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))


def test_too_few_persons(images):
    with pytest.raises(ValueError, match=r"got 6 classes, wanted at least 8"):
        small_trainer(images, small_config("sampler.batch_size=16"))


def test_a_state_of_other_persons_is_refused(images, tmp_path):
    other = small_trainer(small_images(tmp_path, persons=5), small_config())
    with pytest.raises(ValueError, match="state: got"):
        small_trainer(images, small_config()).load_state_dict(other.state_dict())


def test_progress(images):
    told = []
    trainer = small_trainer(images, small_config(), progress=lambda *step: told.append(step))
    next(trainer.epochs())
    assert [step for step in told if step[0].startswith("epoch")] == [
        ("epoch 1 of at most 3", done, 6) for done in range(1, 7)
    ]

"""The training loop: what a step does and leaves alone, and going on after a stop."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from qaconv_reid.config import ConfigError, OptimizerConfig
from qaconv_reid.training import checkpoint
from qaconv_reid.training.optimization import build_optimizer
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


def test_the_paper_s_optimizer():
    network, matcher = small_models()
    optimizer = build_optimizer(network, [matcher], OptimizerConfig())

    backbone, fresh = optimizer.param_groups
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
    # A batch for every class, whatever the sampler: of 6 classes by PK's 2 batches a sweep.
    assert {report.steps for report in reports} == {6}
    assert {report.images for report in reports} == {36}
    assert trainer.stream.sweep == (2 if kind == "graph" else 8)
    assert trainer.stream.active == kind
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
        "optimizer.learning_rate=0.01",
        "optimizer.backbone_factor=1",
    )
    losses = [report.loss for report in small_trainer(images, config).epochs()]
    # Seeds 0 to 3 end at 0.70 to 0.82 of where they began; rounding alone moves a seed that much.
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("kind", ["stripes", "pooled"])
def test_a_cosine_takes_the_place_of_the_dense_matcher(images, kind):
    trainer = small_trainer(images, small_config(f"matcher.kind={kind}", "schedule.max_epochs=1"))
    before = weights(trainer)
    (report,) = trainer.epochs()
    assert report.skipped_steps == 0
    assert report.graph_seconds > 0
    after = weights(trainer)
    assert not torch.equal(before["network.neck.weight"], after["network.neck.weight"])


def test_the_class_memory_starts_from_the_rarity_of_its_positives():
    _, matcher = small_models(config=small_config("loss.kind=class_memory"))
    assert matcher.logit_bn.bias.detach().sigmoid().item() == pytest.approx(0.01)
    _, matcher = small_models(config=small_config("loss.kind=class_memory", "loss.prior=0.5"))
    assert matcher.logit_bn.bias.item() == 0
    _, matcher = small_models(config=small_config("loss.kind=triplet"))
    assert matcher.logit_bn.bias.item() == 0


@pytest.mark.parametrize(
    ("settings", "asked", "strangers"),
    [
        ((), 2, 0),
        (("sampler.candidates=4",), 4, 0),
        (("sampler.candidates=99",), 5, 0),
        (("sampler.strangers=0.5",), 1, 1),
        (("sampler.strangers=1",), 0, 2),
    ],
)
def test_how_near_the_others_of_a_batch_are(images, settings, asked, strangers):
    trainer = small_trainer(images, small_config("schedule.max_epochs=1", *settings))
    assert trainer.refresh.neighbors == asked
    assert trainer.stream._samplers["graph"]._strangers == strangers
    (report,) = trainer.epochs()
    assert report.steps == 6


@pytest.mark.parametrize("kind", ["graph", "pk"])
def test_images_of_a_person_can_be_of_different_cameras(images, kind):
    config = small_config(f"sampler.kind={kind}", "sampler.across_cameras=true")
    with pytest.raises(ConfigError, match="of which no camera is known"):
        small_trainer(images, config)
    seen = [replace(record, camera=place % 3) for place, record in enumerate(images.records)]
    trainer = small_trainer(replace(images, records=tuple(seen)), config)
    _, batch = trainer.stream.next()
    for one, other in zip(batch[::2], batch[1::2], strict=True):
        assert images.labels[one] == images.labels[other]
        assert seen[one].camera != seen[other].camera


def test_accuracy_of_a_start(images):
    trainer = small_trainer(images, small_config("sampler.kind=pk", "schedule.max_epochs=99"))
    accuracy = trainer.accuracy_after(300)
    assert 0 <= accuracy <= 1
    assert (trainer.epoch, trainer.position) == (8, 2)  # 50 batches, of which 6 are an epoch


def test_the_rate_follows_the_schedule(images):
    config = small_config("schedule.kind=step", "schedule.step=1", "optimizer.learning_rate=0.008")
    rates = [report.learning_rate for report in small_trainer(images, config).epochs()]
    assert rates == pytest.approx([0.008, 0.0008, 0.00008])


@pytest.mark.parametrize(("clip", "binds"), [(0.0, False), (1e-3, True), (1e6, False)])
def test_network_and_matcher_are_clipped_apart_and_zero_clips_nothing(images, clip, binds):
    trainer = small_trainer(images, small_config(f"optimizer.clip_norm={clip}"))
    for module in (trainer.network, trainer.matcher):
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        count = sum(parameter.numel() for parameter in module.parameters())

        norm = trainer.step.clip(module)

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
        step(*batch)
        unchanged.append(same(before, weights(trainer)))

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


@pytest.mark.parametrize(
    "cache", ["runtime.workers=1 data.cache=off", "data.cache=memory", "data.cache=disk"]
)
def test_neither_workers_nor_caches_change_anything(images, tmp_path, cache):
    def trained(*settings):
        config = small_config(*settings, f"data.cache_folder={tmp_path}", "schedule.max_epochs=1")
        trainer = small_trainer(images, config)
        list(trainer.epochs(counter(4)))
        return weights(trainer)

    assert same(trained("data.cache=off"), trained(*cache.split()))


def test_an_epoch_is_a_number_of_images(images):
    def batches(*settings):
        return small_trainer(images, small_config(*settings)).epoch_batches

    # 6 persons, 18 images, 6 a batch.
    assert batches("schedule.epoch_images=graph") == 6
    assert batches("schedule.epoch_images=graph", "sampler.kind=pk") == 6
    assert batches("schedule.epoch_images=data") == 3
    assert batches("schedule.epoch_images=13") == 3


def test_the_graph_is_made_anew_for_each_sweep_wherever_epochs_end(images):
    trainer = small_trainer(images, small_config("schedule.epoch_images=24"))  # 4 of 6 batches
    reports = list(trainer.epochs())
    assert [report.graph_seconds > 0 for report in reports] == [True, True, False]
    assert [report.steps for report in reports] == [4, 4, 4]


def kinds_of(trainer):
    """Which sampler each batch comes from."""
    kinds = []
    list(trainer.epochs(after_step=lambda: kinds.append(trainer.stream.active)))
    return kinds


def test_pk_batches_come_before_the_first_graph(images):
    trainer = small_trainer(images, small_config("sampler.warm_start=1"))
    # A sweep of pk is two batches, an epoch six.
    assert kinds_of(trainer) == ["pk"] * 6 + ["graph"] * 12
    # Also where the warm start ends within a sweep.
    trainer = small_trainer(images, small_config("sampler.warm_start=0.5"))
    assert kinds_of(trainer) == ["pk"] * 3 + ["graph"] * 15


def test_the_graph_is_made_anew_after_so_many_images(images):
    made = []
    trainer = small_trainer(images, small_config("sampler.refresh_images=20"))  # 4 batches of 6
    refresh = trainer.refresh
    trainer.refresh = lambda chosen: made.append(trainer._batches_done) or refresh(chosen)
    list(trainer.epochs())
    assert made == [0, 4, 8, 12, 16]


@pytest.mark.parametrize(
    "settings",
    [
        "sampler.warm_start=0.5 sampler.refresh_images=20",
        "sampler.kind=shuffle loss.kind=class_memory",
        "loss.kind=softmax+triplet",
    ],
)
@pytest.mark.parametrize("steps", [1, 3, 5, 9])
def test_every_sampler_and_loss_is_resumed_bit_for_bit(images, tmp_path, settings, steps):
    config = small_config(*settings.split())
    whole = small_trainer(images, config)
    list(whole.epochs())
    first = small_trainer(images, config)
    list(first.epochs(counter(steps)))
    checkpoint.save(tmp_path, first.state_dict())
    second = small_trainer(images, config)
    second.load_state_dict(checkpoint.load(tmp_path))
    list(second.epochs())
    assert same(weights(second), weights(whole))


def test_every_weight_that_can_learn_does(images):
    """Also those of the loss, which belong to neither network nor matcher."""
    trainer = small_trainer(images, small_config("loss.kind=softmax", "schedule.max_epochs=1"))
    before = weights(trainer)
    list(trainer.epochs(counter(1)))
    after = weights(trainer)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    learning = {
        f"{part}.{name}"
        for part in ("network", "objective")
        for name, _ in getattr(trainer, part).named_parameters()
    }
    assert learning <= moved
    assert not any(name.startswith("matcher") for name in moved)


def test_a_classifier_learns(images):
    config = small_config(
        "loss.kind=softmax",
        "schedule.kind=step",
        "schedule.max_epochs=40",
        "optimizer.learning_rate=0.5",
        "optimizer.backbone_factor=1",
        "augmentation.from_accuracy=1",
    )
    reports = list(small_trainer(images, config).epochs())
    assert reports[-1].loss < 0.8 * reports[0].loss


def test_the_loss_s_own_gradient_is_clipped_and_cleared(images):
    config = small_config("loss.kind=softmax", "optimizer.clip_norm=1e-4")
    trainer = small_trainer(images, config)
    for _ in itertools.islice(trainer.epochs(counter(3)), 1):
        pass
    norm = torch.cat([w.grad.flatten() for w in trainer.objective.parameters()]).norm()
    assert norm <= 1.01e-4


def gradients_of(images, *settings):
    """The gradients that each of two batches leaves, the weights all but standing still."""
    still = ("sampler.kind=pk", "optimizer.learning_rate=1e-12", "optimizer.clip_norm=0")
    trainer = small_trainer(images, small_config(*still, *settings))
    gathered = []
    gather = trainer._gradients

    def watched(*arguments):
        result = gather(*arguments)
        gathered.append([weight.grad.clone() for weight in trainer.step.learning()])
        return result

    trainer._gradients = watched
    list(trainer.epochs(counter(2)))
    return gathered


def test_the_gradients_of_batches_add_up_as_their_mean(images):
    first, second = gradients_of(images)
    half, mean = gradients_of(images, "optimizer.accumulate=2")
    for one, other, a, b in zip(first, second, half, mean, strict=True):
        torch.testing.assert_close(a, one / 2)
        torch.testing.assert_close(b, (one + other) / 2)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_weights_stand_still_until_all_batches_of_a_step_are_there(images, kind):
    settings = (f"optimizer.kind={kind}", "optimizer.accumulate=3")
    trainer = small_trainer(images, small_config(*settings))
    moved = []
    before = [weight.detach().clone() for weight in trainer.step.learning()]

    def look():
        now = [weight.detach().clone() for weight in trainer.step.learning()]
        moved.append(not all(map(torch.equal, before, now)))
        before[:] = now

    list(trainer.epochs(counter(8), after_step=look))
    assert moved == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_run_is_resumed_in_the_middle_of_a_step_s_batches(images, tmp_path, steps):
    config = small_config("optimizer.accumulate=3", "optimizer.average=0.9", "schedule.warm_up=1")
    whole = small_trainer(images, config)
    list(whole.epochs())
    first = small_trainer(images, config)
    list(first.epochs(counter(steps)))
    checkpoint.save(tmp_path, first.state_dict())
    second = small_trainer(images, config)
    second.load_state_dict(checkpoint.load(tmp_path))
    list(second.epochs())
    assert same(weights(second), weights(whole))
    for left, right in zip(second.evaluated(), whole.evaluated(), strict=True):
        assert same(left.state_dict(), right.state_dict())


def test_the_moving_average_is_what_is_evaluated(images):
    config = small_config("optimizer.average=0.5", "schedule.epoch_images=6")
    trainer = small_trainer(images, config)
    before = trainer.network.neck.weight.detach().clone()
    list(trainer.epochs(counter(1)))
    average = trainer.evaluated()[0].neck.weight
    torch.testing.assert_close(average, (before + trainer.network.neck.weight) / 2)
    saved = trainer.state_dict()
    assert torch.equal(saved["network"]["neck.weight"], average)
    assert torch.equal(saved["learning"]["network.neck.weight"], trainer.network.neck.weight)


def test_the_rate_warms_up_in_a_line(images):
    trainer = small_trainer(images, small_config("schedule.warm_up=0.5"))
    rates = []
    list(trainer.epochs(after_step=lambda: rates.append(trainer.step.learning_rate)))
    assert rates[:6] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01, 0.01, 0.01, 0.01])


def test_images_are_changed_only_once_the_accuracy_has_passed_the_mark(images):
    changed = []
    config = small_config(
        "augmentation.from_accuracy=0.05", "schedule.kind=step", "schedule.max_epochs=10"
    )
    trainer = small_trainer(images, config)
    augmentation = trainer.stream._augmentation

    def watched(pixels, *arguments, **options):
        changed.append(trainer._batches_done)
        return augmentation(pixels, *arguments, **options)

    trainer.stream._augmentation = watched
    list(trainer.epochs())
    assert min(changed) == 50  # the end of the first window


def test_stage_times_add_up_to_less_than_all(images):
    (report,) = small_trainer(images, small_config("schedule.max_epochs=1")).epochs()
    stages = (
        report.input_seconds,
        report.graph_seconds,
        report.network_seconds,
        report.matcher_seconds,
    )
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) <= report.seconds
    assert report.processor_seconds > 0


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

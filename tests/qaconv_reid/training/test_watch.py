"""Whether a run still learns, and what is said where it does not."""

from __future__ import annotations

import math
import re

import pytest
import torch

from qaconv_reid.training import CollapsedError
from qaconv_reid.training.meter import EpochReport, Window
from qaconv_reid.training.watch import HeldScale, Watch
from support.runs import small_config, small_images, small_trainer


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small_images(tmp_path_factory.mktemp("persons"))


def window(**changes):
    usual = {
        "steps": 50,
        "skipped": 0,
        "counted": 3000,
        "loss": 5.0,
        "accuracy": 0.5,
        "gap": 0.3,
        "scale": 1.0,
        "variance": 0.01,
    }
    return Window(**usual | changes)


TRIPLET = small_config("loss.kind=triplet")


@pytest.mark.parametrize(
    ("symptom", "message"),
    [
        ({"scale": -0.004}, r"scale \(logit_bn.weight\) is -0.0040.*loss.kind=pairwise"),
        ({"variance": 1e-9}, "all feature maps are alike"),
        ({"loss": 16.001, "gap": 0.0001}, "the loss stands at its margin, 16"),
        ({"skipped": 50, "counted": 0, "loss": math.nan, "gap": math.nan}, "no step was made"),
    ],
)
def test_a_symptom_is_told_once_it_lasts(symptom, message):
    watch = Watch(TRIPLET, 0.1)
    assert watch.look(window()) is None
    assert watch.look(window(**symptom)) is None
    assert watch.look(window()) is None  # it has passed
    assert watch.look(window(**symptom)) is None
    resumed = Watch(TRIPLET, 0.1)
    resumed.load_state_dict(watch.state_dict())
    with_message = resumed.look(window(**symptom))
    assert with_message is not None
    assert re.search(message, with_message)


def epoch(accuracy, rows=6400):
    values = dict.fromkeys(EpochReport.__slots__, 0)
    return EpochReport(**values | {"epoch": 3, "accuracy": accuracy, "counted_rows": rows})


def test_an_epoch_at_chance_is_told():
    watch = Watch(TRIPLET, rows_at_chance=0.016)
    assert "accuracy of epoch 3 is that of chance (1.70 %)" in watch.end_epoch(epoch(0.017))
    assert watch.end_epoch(epoch(0.05)) is None
    assert watch.end_epoch(epoch(0.017, rows=36)) is None  # too few to say
    assert watch.end_epoch(epoch(math.nan)) is None


def test_the_scale_is_held_until_the_gap_has_been_positive_for_a_while():
    hold = HeldScale(True)
    held = []
    gaps = (-1.0, 0.2, -0.1, 0.1, 0.2, 0.3)
    for gap in gaps:
        hold.look(window(gap=gap))
        held.append(hold.held)
    assert held == [True, True, True, True, False, False]
    hold.look(window(gap=-0.1, scale=1.4))  # it has grown: it may fall
    assert not hold.held
    hold.look(window(gap=-0.1, scale=0.9))
    assert hold.held
    hold.look(window(gap=math.nan))
    assert hold.held
    off = HeldScale(False)
    off.look(window(gap=-1.0))
    assert not off.held


def test_a_held_scale_does_not_move_and_everything_else_does(images):
    def after(hold):
        config = small_config("loss.kind=triplet", f"matcher.hold_scale={hold}")
        trainer = small_trainer(images, config)
        next(trainer.epochs())
        return trainer.matcher

    held, free = after("true"), after("false")
    assert held.logit_bn.weight == 1.0
    assert free.logit_bn.weight != 1.0
    assert held.fc.weight.unique().numel() > 1


def collapsing(images, *settings):
    """A scale of next to nothing, which stays there."""
    return small_trainer(
        images,
        small_config(
            "loss.kind=triplet",
            "matcher.hold_scale=false",
            "schedule.kind=step",
            "schedule.max_epochs=100",
            "optimizer.learning_rate=1e-9",
            *settings,
        ),
        notice=print,
    )


def test_a_collapsing_run_ends_within_a_hundred_steps_of_it_and_says_so(images):
    trainer = collapsing(images)
    torch.nn.init.constant_(trainer.matcher.logit_bn.weight, 1e-4)
    with pytest.raises(CollapsedError, match=r"logit_bn.weight.*matcher.hold_scale=true"):
        list(trainer.epochs())
    assert trainer._batches_done <= 100


def test_it_goes_on_where_the_settings_say_so(images, capsys):
    trainer = collapsing(images, "runtime.collapse=tell", "schedule.max_epochs=18")
    torch.nn.init.constant_(trainer.matcher.logit_bn.weight, 1e-4)
    reports = list(trainer.epochs())
    assert len(reports) == 18
    assert "logit_bn.weight" in capsys.readouterr().out
    assert "logit_bn.weight" in trainer.trouble
    other = collapsing(images, "runtime.collapse=tell", "schedule.max_epochs=18")
    assert other.trouble == ""
    other.load_state_dict(trainer.state_dict())
    assert other.trouble == trainer.trouble
    # What a log, a table and TensorBoard take.
    assert all(isinstance(value, int | float) for value in reports[0].as_dict().values())

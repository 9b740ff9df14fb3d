"""When the learning rate falls and the run ends."""

from __future__ import annotations

import json
import math

import pytest

from qaconv_reid.config import ScheduleConfig
from qaconv_reid.training.schedule import (
    AdaptiveSchedule,
    CosineSchedule,
    StepSchedule,
    build_schedule,
)


def run(schedule, losses, start=0):
    """The factor of every epoch until the schedule is finished."""
    factors = []
    for epoch, loss in enumerate(losses):
        if schedule.finished:
            break
        factors.append(schedule.factor(start + epoch))
        schedule.end_epoch(loss)
    return factors


def adaptive(max_epochs=60):
    return AdaptiveSchedule(max_epochs, loss_factor=0.7, stretch=1.5, decay=0.1)


def test_the_rate_falls_after_the_loss_and_the_run_ends_at_half_as_long_again():
    # Epoch 5 is the first under 0.7 × 10: epochs 6 and ⌊7.5⌋ = 7 run at a tenth.
    factors = run(adaptive(), [20, 10, 8, 7, 6.9, 6, 5, 4, 3, 2])
    assert factors == [1, 1, 1, 1, 1, 0.1, 0.1]


def test_the_second_epoch_is_the_measure_and_not_the_first():
    assert run(adaptive(4), [100, 10, 10, 10]) == [1, 1, 1, 1]


def test_exactly_the_factor_is_not_under_it():
    assert run(adaptive(4), [10, 10, 7, 7.0]) == [1, 1, 1, 1]


def test_the_rate_falls_once_only():
    assert set(run(adaptive(), [10, 10, 1, 0.1, 0.01, 0.001])) == {1, 0.1}


def test_a_run_whose_loss_never_falls_ends_at_max_epochs():
    assert run(adaptive(60), [1.0] * 100) == [1] * 60


def test_max_epochs_cuts_the_stretch():
    assert len(run(adaptive(6), [10, 10, 10, 10, 1, 1, 1, 1])) == 6


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_decides_nothing(bad):
    assert run(adaptive(5), [10, bad, 10, bad, 8]) == [1, 1, 1, 1, 1]


def test_one_epoch():
    assert run(adaptive(1), [1.0, 1.0]) == [1]


def test_steps():
    factors = run(StepSchedule(max_epochs=5, step=2, decay=0.1), [1.0] * 9)
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_steps_of_a_limited_number():
    factors = run(StepSchedule(max_epochs=6, step=2, decay=0.1, falls=1), [1.0] * 9)
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1])


def test_a_cosine_falls_within_an_epoch_too():
    schedule = CosineSchedule(max_epochs=4, decay=0.2)
    assert run(schedule, [1.0] * 9) == pytest.approx(
        [1, 0.2 + 0.8 * (1 + 0.5**0.5) / 2, 0.6, 0.2 + 0.8 * (1 - 0.5**0.5) / 2]
    )
    assert schedule.factor(2.5) < schedule.factor(2.4)
    assert schedule.factor(4.0) == pytest.approx(0.2)


@pytest.mark.parametrize("kind", ["adaptive", "step", "cosine"])
@pytest.mark.parametrize("cut", [0, 1, 2, 4, 6])
def test_a_restored_schedule_goes_on_alike(kind, cut):
    losses = [20, 10, 8, 6, 5, 4, 3, 2]
    config = ScheduleConfig(kind=kind, max_epochs=8, step=3)
    whole = run(build_schedule(config), losses)

    first, second = build_schedule(config), build_schedule(config)
    head = run(first, losses[:cut])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))

    assert head + run(second, losses[len(head) :], start=len(head)) == whole

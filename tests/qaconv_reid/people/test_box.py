"""Boxes as a detector's: of the kinds and in the shares that are said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from qaconv_reid.people.box import KINDS, Box, detect

PERSON = (np.array((400.0, 100.0)), np.array((480.0, 300.0)))
BESIDE = (np.array((470.0, 105.0)), np.array((550.0, 305.0)))
FAR_OFF = (np.array((900.0, 105.0)), np.array((980.0, 305.0)))
FRAME = (1280, 720)


def boxes(other=None, jitter=0.0) -> Iterator[Box]:
    generator = np.random.default_rng(0)
    while True:
        yield detect(PERSON, other, jitter, FRAME, generator)


def test_the_shares_are_shares():
    assert sum(KINDS.values()) == pytest.approx(1)


def test_feet_and_heads_are_cut_as_often_as_is_said():
    drawn = list(islice(boxes(), 4000))
    # Shifted boxes cut as well, up to 0.18 of the height; tight ones up to 0.03.
    feet = np.mean([box.bottom < 300 - 0.19 * 200 for box in drawn])
    # of 0.12 to 0.35, drawn evenly, a part is seen as such by this bound.
    assert 0.35 * KINDS["no feet"] < feet < KINDS["no feet"]
    head = np.mean([box.top > 100 + 0.06 * 200 and box.bottom > 290 for box in drawn])
    assert 0.8 * KINDS["no head"] < head < KINDS["no head"] + KINDS["shifted"]
    loose = np.mean([box.top < 100 - 0.09 * 200 and box.bottom > 300 + 0.09 * 200 for box in drawn])
    assert loose == pytest.approx(KINDS["loose"], abs=0.02)


def test_two_who_stand_together_may_share_a_box():
    def reaching(other) -> float:
        return float(np.mean([box.right > 510 for box in islice(boxes(other), 4000)]))

    alone = reaching(None)
    assert reaching(BESIDE) == pytest.approx(alone + KINDS["two"], abs=0.015)
    assert reaching(FAR_OFF) == pytest.approx(alone, abs=0.01)


def test_a_box_stays_within_the_frame_and_is_never_a_sliver():
    edge = (np.array((-30.0, 650.0)), np.array((2.0, 900.0)))
    generator = np.random.default_rng(1)
    for _ in range(300):
        box = detect(edge, None, 0.1, FRAME, generator)
        assert box.right - box.left >= 8
        assert box.bottom - box.top >= 16
        assert box.left >= 0
    for box in islice(boxes(jitter=0.1), 300):
        assert box.right - box.left >= 0.35 * (box.bottom - box.top)

"""What stands beside people, and how much of them it hides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qaconv_reid.people.camera import View
from qaconv_reid.people.render import Light
from qaconv_reid.people.scenes import DOMAINS, spots
from qaconv_reid.people.shot import take
from qaconv_reid.people.sizes import SIZES
from qaconv_reid.people.things import KINDS, draw_thing, put
from qaconv_reid.people.walks import TRAIN, sightings

LIGHT = Light((0, -1, 1), (1, 1, 1), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 0.5)
#: From 1 m above the ground, 8 m before the thing; 50 pixels are a metre there.
VIEW = View(
    np.array((0, 0, 1), np.float32),
    np.array((1, 0, 0), np.float32),
    np.array((0, 0, -1), np.float32),
    np.array((0, 1, 0), np.float32),
    400,
    (160, 200),
)


def drawn(kind: str, *, x: float = 0.0, y: float = 8.0) -> tuple[np.ndarray, object]:
    picture = np.full((400, 320, 3), -1, np.float32)
    thing = put(kind, x, y, np.random.default_rng(0))
    draw_thing(picture, thing, VIEW, LIGHT)
    return (picture >= 0).all(2), thing


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_covers_what_it_is_as_large_as(kind):
    covered, thing = drawn(kind)
    rows, columns = np.nonzero(covered)
    # Its foot is 1 m below the camera; a tall one reaches beyond the upper edge.
    assert 240 <= rows.max() < 251
    assert (rows.max() + 1 - rows.min()) / 50 == pytest.approx(thing.height, abs=0.12)
    assert (columns.max() + 1 - columns.min()) / 50 == pytest.approx(thing.width, abs=0.25)
    # Solid ones fill it, those of bars do not.
    share = covered.mean() * covered.size / (thing.height * thing.width * 2500)
    assert share == pytest.approx(1, abs=0.35) or kind in ("railing", "bicycle", "bench", "sign")
    assert share > 0.08


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.1), (90.0, 8.0)])
def test_what_is_behind_the_camera_or_beside_the_picture_is_not_drawn(x, y):
    covered, _ = drawn("bin", x=x, y=y)
    assert not covered.any()


@pytest.mark.parametrize("name", DOMAINS)
def test_every_domain_has_things_of_kinds_that_there_are(name):
    domain = DOMAINS[name]
    assert set(domain.things) <= KINDS.keys()
    count = [len(spot.things) for seed in range(8) for spot in spots(seed, domain)]
    assert np.mean(count) == pytest.approx(domain.clutter, abs=0.5)


@pytest.mark.parametrize(
    ("domain", "least", "most"),
    [("plaza", 0.08, 0.25), ("station", 0.08, 0.25), ("campus", 0.08, 0.25), ("corridor", 0, 0.1)],
)
def test_people_are_hidden_as_often_as_is_said(domain, least, most):
    # Of 90 images: the deviation of a share of 0.15 is 0.04.
    size = replace(SIZES["small"], train=45)
    images = [take(0, unit[i]) for unit in sightings(0, size, domain, TRAIN) for i in (0, 5)]
    hidden = np.array([image.info["hidden"] for image in images])
    assert least < np.mean(hidden > 0.1) < most
    assert hidden.max() <= 0.5

"""The kit of bodies: small, whole, free to be passed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qaconv_reid import people
from qaconv_reid.people.figure import dress, walk
from qaconv_reid.people.kit import HEAD, LEG, TORSO, load_kit
from qaconv_reid.people.look import draw_look

ASSETS = Path(people.__file__).parent / "assets"


def test_the_kit_is_small_and_says_whose_it_is():
    assert (ASSETS / "kit.npz").stat().st_size <= 3_000_000
    notice = (ASSETS / "NOTICE.txt").read_text()
    assert "MakeHuman" in notice
    assert "CC0" in notice


def test_the_kit_holds_together():
    kit = load_kit()
    vertices, bones = kit.weights.shape
    assert kit.mean.shape == (vertices, 3)
    assert kit.blends.shape == (len(kit.blends), vertices, 3)
    assert kit.gait.shape[1:] == (bones, 3)
    np.testing.assert_allclose(kit.weights.sum(1), 1, atol=1e-6)
    assert kit.faces.max() == vertices - 1
    assert all(parent < bone for bone, parent in enumerate(kit.parents))
    assert kit.parents[kit.bones["calf_l"]] == kit.bones["thigh_l"]
    assert {"head", "hand_r", "foot_l"} <= kit.bones.keys()
    assert set(np.unique(kit.part)) == set(range(6))


def test_parts_stand_above_each_other():
    kit = load_kit()
    height = {part: kit.mean[kit.part == part, 2].mean() for part in (LEG, TORSO, HEAD)}
    assert height[LEG] < height[TORSO] < height[HEAD]


def test_a_walking_person_is_as_tall_as_it_is_said_and_stands_on_the_ground():
    kit = load_kit()
    generator = np.random.default_rng(0)
    for _ in range(8):
        look = draw_look(generator, kit)
        figure = dress(kit, look)
        for phase in (0.0, 0.3, 0.77):
            points = walk(kit, figure, phase).points[: len(kit.mean)]
            assert points[:, 2].min() == 0
            # Steps, a stoop, hats and hair: near, not exact.
            assert abs(points[:, 2].max() - look.height) < 0.12


def test_legs_swing_and_the_walk_closes():
    kit = load_kit()
    figure = dress(kit, draw_look(np.random.default_rng(1), kit))
    start, half, whole = (walk(kit, figure, phase).points for phase in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(start, whole, atol=1e-6)
    foot = kit.weights[:, kit.bones["foot_l"]] > 0.9
    moved = half[: len(kit.mean)][foot] - start[: len(kit.mean)][foot]
    # It faces -y: the left foot goes from the front to the back.
    assert moved[:, 1].mean() > 0.3

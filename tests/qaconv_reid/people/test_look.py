"""What people do and what changes of them between cameras."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from qaconv_reid.people.change import as_seen
from qaconv_reid.people.fabric import PATTERNS, TROUSER_PATTERNS, pattern
from qaconv_reid.people.figure import dress, walk
from qaconv_reid.people.kit import load_kit
from qaconv_reid.people.look import draw_look
from qaconv_reid.people.pose import ARMS
from qaconv_reid.people.stance import Stance, act, draw_stance
from qaconv_reid.people.streams import stream


def looks(count):
    kit, generator = load_kit(), np.random.default_rng(0)
    return [draw_look(generator, kit) for _ in range(count)]


@pytest.mark.parametrize("name", [*PATTERNS, *TROUSER_PATTERNS[1:]])
def test_every_pattern_is_a_family_of_colors_between_its_own(name):
    u, v = (a.ravel().astype(np.float32) for a in np.mgrid[-0.4:0.4:60j, 0.0:1.5:120j])
    colors = np.eye(3, dtype=np.float32)
    members = [
        pattern(name, u, v, 1, phase, grain, colors) for phase in (0.2, 0.8) for grain in (0.1, 0.9)
    ]
    for member in members:
        assert member.min() >= -1e-6
        np.testing.assert_allclose(member.sum(1), 1, atol=1e-5)
        assert (member[:, 1:].max() > 0.2) == (name != "plain")
    if name != "plain":
        assert len({member.tobytes() for member in members}) > 1


def test_most_visits_show_the_look_as_it_is():
    changed = Counter()
    for number, look in enumerate(looks(400)):
        seen = as_seen(look, np.random.default_rng(number))
        changed["bag"] += look.bag != "none" and seen.bag == "none"
        changed["front"] += (look.open_front > 0) != (seen.open_front > 0)
        changed["as it is"] += seen is look
        # What never changes between two cameras:
        assert (seen.top, seen.bottom, seen.shoes, seen.hair) == (
            (look.top, look.bottom, look.shoes, look.hair)
        )
    assert 0.6 < changed["as it is"] / 400 < 0.9
    assert changed["bag"] > 10
    assert changed["front"] > 10


def test_stances_are_mostly_a_walk_with_free_arms():
    drawn = [draw_stance(np.random.default_rng(number)) for number in range(600)]
    assert 0.55 < np.mean([s.left == s.right == "swing" for s in drawn]) < 0.75
    assert 0.08 < np.mean([s.pace < 0.3 for s in drawn]) < 0.2
    assert {arm for s in drawn for arm in (s.left, s.right)} == {"swing", *ARMS}


def test_hands_are_where_the_arms_put_them():
    kit = load_kit()
    look = replace(looks(1)[0], umbrella=None)
    look = replace(look, gait=replace(look.gait, right="swing"))
    figure, hand = dress(kit, look), kit.weights[:, kit.bones["hand_r"]] > 0.9

    def at(arm):
        gait = act(look.gait, Stance(pace=0, right=arm))
        return walk(kit, figure, 0.0, gait).points[: len(kit.mean)][hand].mean(0)

    hanging = at("swing")
    assert at("ear")[2] > 0.8 * look.height
    assert at("front")[1] < hanging[1] - 0.2  # it faces -y
    assert at("back")[1] > hanging[1] + 0.1
    assert hanging[2] - 0.1 < at("pocket")[2] < 0.65 * look.height
    assert abs(at("folded")[0]) < abs(hanging[0])


def test_an_umbrella_is_held_up_whatever_its_owner_does():
    look = next(look for look in looks(200) if look.umbrella is not None)
    assert act(look.gait, Stance(right="pocket")).right == "front"


def test_streams_are_told_apart_by_their_words_not_by_their_lengths():
    first = [stream(0, "shot", name, 1).integers(2**40) for name in ("plaza", "piazza", "azalp")]
    assert len(set(first)) == 3
    assert stream(0, "shot", "plaza", 1).integers(2**40) == first[0]

"""Agreement of matches: against a loop, at its ends, and the distance of domains."""

from __future__ import annotations

import numpy as np
import pytest

from qaconv_reid.evaluation import agreements, domain_distance


def people(noise, camera_effect=0.0, seed=0):
    """Scores of 20 people seen three times by each of three cameras, as inner products."""
    random = np.random.default_rng(seed)
    looks = random.normal(size=(20, 16))
    person, camera = (part.ravel() for part in np.mgrid[:20, :3])
    person, camera = np.repeat(person, 3), np.repeat(camera, 3)
    effects = camera_effect * random.normal(size=(3, 16))
    vectors = looks[person] + effects[camera] + noise * random.normal(size=(len(person), 16))
    return vectors @ vectors.T, camera


def by_loop(scores, cameras, neighbors):
    found = []
    for i, camera in enumerate(cameras):
        own = [j for j in range(len(cameras)) if cameras[j] == camera and j != i]
        if not own:
            continue
        twin = max(own, key=lambda j: (scores[i, j], -j))
        others = [j for j in range(len(cameras)) if cameras[j] != camera]
        best = [
            set(sorted(others, key=lambda j: (-scores[at, j], j))[:neighbors]) for at in (i, twin)
        ]
        found.append(len(best[0] & best[1]) / min(neighbors, len(others)))
    return found


@pytest.mark.parametrize("neighbors", [1, 5, 500])
def test_it_is_what_a_loop_counts(neighbors):
    scores, cameras = people(1.0)
    cameras = np.append(cameras, 7)  # alone: it has no twin, and is found by others
    scores = np.pad(scores, (0, 1), constant_values=3.0)
    scores[4, 5] = scores[4, 3]
    found = agreements(scores, cameras, neighbors=neighbors)
    assert len(found) == len(cameras) - 1
    np.testing.assert_array_equal(found, by_loop(scores, cameras, neighbors))


def test_it_is_one_for_the_sure_and_falls_with_noise():
    means = [agreements(*people(noise)).mean() for noise in (0.01, 0.5, 1.5, 10.0)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.9
    assert means[-1] < 0.3


def test_distance_is_in_spreads_of_training():
    there = np.random.default_rng(0).normal(3.0, 2.0, (4000, 6))
    assert domain_distance(there, there) == 0
    assert domain_distance(there + 4.0, there) == pytest.approx(2.0, rel=0.05)
    still = np.zeros((5, 2))
    assert domain_distance(still, still) == 0

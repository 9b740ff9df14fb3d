"""Every name has random numbers of its own, the same on every machine."""

from __future__ import annotations

import itertools

from qaconv_reid.people.scenes import DOMAINS
from qaconv_reid.people.streams import stream


def test_names_of_one_length_and_anagrams_have_different_numbers():
    names = [*DOMAINS, "plaza", "palaz", "train", "trian", "a", "b", "ab", "ba"]
    drawn = {name: tuple(stream(1, 7, name).integers(0, 2**32, 4)) for name in names}
    for one, other in itertools.combinations(drawn, 2):
        assert drawn[one] != drawn[other], (one, other)


def test_the_numbers_stay():
    """Pictures of a seed are the same everywhere; if this fails, GENERATION grows."""
    assert stream(1, 7, "plaza", 3).integers(0, 1000, 3).tolist() == [358, 811, 493]

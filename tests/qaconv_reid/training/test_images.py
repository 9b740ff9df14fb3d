"""Training sets joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaconv_reid.data import DataError, Record, ReidDataset
from qaconv_reid.training import hold_back, join, take_identities


def dataset(name, persons):
    records = tuple(Record(Path(f"{name}/{i}.jpg"), person) for i, person in enumerate(persons))
    return ReidDataset(name, "folder", Path(name), records, (), ())


def test_persons_of_two_data_sets_are_different_persons():
    images = join([dataset("a", [7, 3, 7]), dataset("b", [3, 9])])

    assert images.labels == (1, 0, 1, 2, 3)
    assert images.classes == 4
    assert [str(record.path) for record in images.records] == [
        "a/0.jpg",
        "a/1.jpg",
        "a/2.jpg",
        "b/0.jpg",
        "b/1.jpg",
    ]


def test_nothing_to_join():
    assert join([]).classes == 0


def test_equal_numbers_can_be_one_person():
    images = join([dataset("a", [7, 3, 7]), dataset("b", [3, 9])], apart=False)
    assert images.labels == (1, 0, 1, 0, 2)
    assert images.classes == 3


def seen(persons=10, cameras=(0, 0, 1, 1, 1)):
    records = tuple(
        Record(Path(f"{person}_{shot}.jpg"), 100 + person, camera)
        for person in range(persons)
        for shot, camera in enumerate(cameras)
    )
    return join([ReidDataset("a", "folder", Path("a"), records, (), ())])


def test_identities_are_held_back_whole():
    images, validation = hold_back(seen(), 0.3, seed=1)
    assert images.classes == 7
    assert sorted(set(images.labels)) == list(range(7))
    assert len(images.records) == 35
    held = {record.person for record in (*validation.query, *validation.gallery)}
    assert len(held) == 3
    # Of each camera the first image is a query.
    assert len(validation.query) == 6
    assert len(validation.gallery) == 9
    paths = {record.path for record in images.records}
    assert not paths & {record.path for record in (*validation.query, *validation.gallery)}


def test_the_choice_is_the_seed_s():
    def chosen(seed):
        return {record.path for record in hold_back(seen(), 0.3, seed)[1].query}

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_nobody_seen_twice_is_refused():
    with pytest.raises(DataError, match="none of them seen twice by a camera"):
        hold_back(seen(cameras=(0, 1)), 0.3, seed=1)


def test_fewer_identities_are_a_part_of_more():
    images = join([dataset("a", list(range(8)) * 2), dataset("b", [3, 9, 9])])
    few, more = take_identities(images, 4), take_identities(images, 6)
    assert (few.classes, more.classes) == (4, 6)
    assert set(few.records) < set(more.records)
    # In turn of both sets; the second has but two.
    assert [len({r.person for r in few.records if s in str(r.path)}) for s in "ab"] == [2, 2]
    assert [len({r.person for r in more.records if s in str(r.path)}) for s in "ab"] == [4, 2]
    assert sorted(set(few.labels)) == [0, 1, 2, 3]
    assert take_identities(images, 10) == images
    with pytest.raises(DataError, match=r"data.identities: got 11, wanted at most 10"):
        take_identities(images, 11)

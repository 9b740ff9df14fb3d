"""Training sets joined."""

from __future__ import annotations

from pathlib import Path

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.training import join


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

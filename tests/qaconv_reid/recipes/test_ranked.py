"""Ranked lists from scores that are known."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from qaconv_reid.data import Record, ReidDataset, Views
from qaconv_reid.evaluation import FeatureSet
from qaconv_reid.recipes.ranked import search


class Closeness(nn.Module):
    """A matcher of maps of one number: minus their distance."""

    def forward(self, probe, gallery):
        return -(probe.flatten(1) - gallery.flatten(1).T).abs()


def a_side(name, rows):
    records = tuple(
        Record(Path(f"{name}{i}.png"), person, camera) for i, (_, person, camera) in enumerate(rows)
    )
    maps = torch.tensor([value for value, *_ in rows]).reshape(-1, 1, 1, 1)
    persons, cameras = zip(*((r.person, r.camera) for r in records), strict=True)
    return records, FeatureSet(maps, persons, cameras, (None,) * len(records))


QUERY = [(0.0, 1, 1), (5.0, 2, 1), (9.0, 3, None), (0.0, 8, 1)]
#: The first is the first query's own camera: left out. Person 9 is never searched for.
GALLERY = [(0.0, 1, 1), (0.5, 1, 2), (4.0, 9, 2), (5.5, 9, 2), (7.0, 2, 2), (9.0, 3, 1)]


def searched():
    queries, query = a_side("q", QUERY)
    galleries, gallery = a_side("g", GALLERY)
    dataset = ReidDataset("known", "folder", Path(), (), queries, galleries)
    return search(
        Closeness(),
        dataset,
        query,
        gallery,
        device=torch.device("cpu"),
        chance=lambda score: 0.5 if score == 0 else None,
    )


def test_lists_hold_what_is_counted():
    lists = [searched().ranked(number) for number in range(4)]
    assert [found.image.path.name for found in lists[0].found][:2] == ["g1.png", "g2.png"]
    assert len(lists[0].found) == 5  # its own camera's is left out
    assert lists[0].first == lists[0].found[0]
    assert lists[0].first.rank == 1
    assert [found.right for found in lists[1].found[:3]] == [False, False, True]
    assert (lists[1].first.rank, lists[1].first.score) == (3, -2.0)
    assert lists[1].average_precision == 1 / 3
    assert lists[2].first.probability == 0.5
    assert lists[3].first is None


def test_the_worst_come_first_and_none_twice():
    found = searched()
    assert found.queries(1, 1) == [1, 2]
    assert found.queries(5, 5) == [1, 0, 2]  # the fourth has no match: not counted
    assert found.queries(0, 1) == [2]
    assert found.queries(1, 0) == [1]


def test_whom_they_are_taken_for():
    rows = {row.person: row for row in searched().confusions()}
    assert rows[2].taken_for == ((9, 1),)
    assert (rows[1].right, rows[3].right) == (1, 1)
    assert 8 not in rows


def test_of_equal_scores_the_lower_number_comes_first():
    """As in the measures, however many of them there are."""
    queries, query = a_side("q", [(0.0, 1, 1)])
    galleries, gallery = a_side("g", [(1.0, 2, 2)] * 30 + [(1.0, 1, 2)] * 2 + [(0.5, 3, 2)])
    dataset = ReidDataset("ties", "folder", Path(), (), queries, galleries)
    device = torch.device("cpu")
    found = search(Closeness(), dataset, query, gallery, device=device, chance=lambda _: None)
    ranked = found.ranked(0)
    names = [item.image.path.name for item in ranked.found]
    assert names == ["g32.png", *(f"g{number}.png" for number in range(9))]
    assert (ranked.first.rank, ranked.first.image.path.name) == (32, "g30.png")


def test_with_every_crop_an_image_is_not_in_its_own_list_without_cameras_either():
    rows = [(0.0, 1, None), (0.5, 1, None), (4.0, 2, None), (4.5, 2, None)]
    records, features = a_side("x", rows)
    dataset = Views(every_crop=True).seen(
        ReidDataset("known", "folder", Path(), (), records[:2], records[2:]), None
    )
    found = search(
        Closeness(),
        dataset,
        features,
        features,
        device=torch.device("cpu"),
        chance=lambda score: None,
    )
    for number, best in enumerate(("x1.png", "x0.png", "x3.png", "x2.png")):
        found_of = found.ranked(number)
        assert len(found_of.found) == 3
        assert found_of.first == found_of.found[0]
        assert found_of.found[0].image.path.name == best
        assert found_of.average_precision == 1

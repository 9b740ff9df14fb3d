"""Batches that take equally from several groups."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from qaconv_ext.graph import GraphSampler, PKSampler, ShuffleSampler
from qaconv_ext.graph._balance import Balance

#: 40 classes of 3 images; of the classes 30, 6 and 4 are of the groups 7, 8 and 9.
LABELS = [label for label in range(40) for _ in range(3)]
GROUPS = [7 if label < 30 else 8 if label < 36 else 9 for label in LABELS]


def group_of(label):
    return GROUPS[3 * label]


@pytest.mark.parametrize("size", [1, 4, 9])
def test_every_group_gives_as_many(size):
    groups = [0] * 50 + [1] * 5 + [2] * 3
    drawn = Balance(groups, size).batches(30, random.Random(0))
    assert [len(batch) for batch in drawn] == [size] * 30
    assert all(len(set(batch)) == size for batch in drawn)
    counts = Counter(groups[member] for batch in drawn for member in batch)
    assert set(counts.values()) == {10 * size}
    for batch in drawn:
        parts = Counter(groups[member] for member in batch)
        assert all(size // 3 <= parts[group] <= -(-size // 3) for group in range(3))
    # Of the small group all members come equally often, whole queues at a time.
    often = Counter(member for batch in drawn for member in batch if member >= 55)
    assert max(often.values()) - min(often.values()) <= 1


def test_pk_takes_classes_from_all_groups():
    sampler = PKSampler(LABELS, 12, 2, groups=GROUPS)
    assert len(sampler) == 6
    for batch in sampler:
        classes = [LABELS[image] for image in batch[::2]]
        assert len(set(classes)) == 6
        assert Counter(map(group_of, classes)) == {7: 2, 8: 2, 9: 2}


def test_pk_batches_can_be_of_one_group_each():
    sampler = PKSampler(LABELS, 8, 2, seed=1, groups=GROUPS, one_group=True)
    epochs = [list(sampler) for _ in range(8)]
    for epoch in epochs:
        assert len(epoch) == len(sampler) == 30 // 4 + 6 // 4 + 4 // 4
        of_batches = [{GROUPS[image] for image in batch} for batch in epoch]
        assert Counter(group for (group,) in of_batches) == {7: 7, 8: 1, 9: 1}
        often = Counter(LABELS[image] for batch in epoch for image in batch)
        assert set(often.values()) == {2}  # each class in one batch at most
    # Groups do not come one after the other, and who is left over changes.
    assert len({tuple(GROUPS[batch[0]] for batch in epoch) for epoch in epochs}) > 1
    assert {LABELS[image] for epoch in epochs for batch in epoch for image in batch} == set(
        range(40)
    )
    # In the middle of an epoch, and not by a sampler whose batches mix the groups.
    middle = sampler.state_dict(position=4)
    resumed = PKSampler(LABELS, 8, 2, seed=1, groups=GROUPS, one_group=True)
    resumed.load_state_dict(middle)
    assert list(resumed) == epochs[-1][4:]
    assert list(resumed) == list(sampler)
    with pytest.raises(ValueError, match="state: got one_group 1, wanted None"):
        PKSampler(LABELS, 8, 2, seed=1, groups=GROUPS).load_state_dict(middle)


def test_batches_of_one_group_need_groups_that_fill_them():
    with pytest.raises(ValueError, match="groups: got None with one_group=True, wanted one number"):
        PKSampler(LABELS, 8, 2, one_group=True)
    with pytest.raises(TypeError, match="one_group: got 'no'"):
        PKSampler(LABELS, 8, 2, groups=GROUPS, one_group="no")
    wanted = "groups: got 4 classes of group 9, wanted at least 5, those of a batch"
    with pytest.raises(ValueError, match=wanted):
        PKSampler(LABELS, 10, 2, groups=GROUPS, one_group=True)


def test_graph_takes_anchors_from_all_groups():
    def next_one(images):
        return [[(c + 1) % 40] for c in range(40)]

    sampler = GraphSampler(LABELS, next_one, 4, 2, groups=GROUPS)
    anchors = Counter(group_of(LABELS[batch[0]]) for batch in sampler)
    assert len(sampler) == 40
    assert sorted(anchors.values()) == [13, 13, 14]


def test_shuffle_takes_images_from_all_groups():
    sampler = ShuffleSampler(LABELS, 9, groups=GROUPS)
    for batch in sampler:
        assert Counter(GROUPS[image] for image in batch) == {7: 3, 8: 3, 9: 3}


def test_an_epoch_is_a_function_of_its_number_and_can_be_resumed():
    one, other = (PKSampler(LABELS, 12, 2, seed=3, groups=GROUPS) for _ in range(2))
    first = list(one)
    assert first == list(other)
    assert first != list(one)
    other.set_epoch(0)
    begun = iter(other)
    next(begun)
    resumed = PKSampler(LABELS, 12, 2, seed=3, groups=GROUPS)
    resumed.load_state_dict(other.state_dict(position=1))
    assert list(resumed) == list(begun)
    with pytest.raises(ValueError, match="groups"):
        PKSampler(LABELS, 12, 2, seed=3).load_state_dict(other.state_dict(position=1))


def test_a_group_that_is_too_small_is_named():
    wanted = "groups: got 4 of group 9, wanted at least 5, its part of a batch of 15 from 3 groups"
    with pytest.raises(ValueError, match=wanted):
        PKSampler(LABELS, 30, 2, groups=GROUPS)
    with pytest.raises(ValueError, match="groups: got 2 numbers, wanted 120"):
        PKSampler(LABELS, 12, 2, groups=[0, 1])
    with pytest.raises(TypeError, match=r"groups: got 0\.5"):
        PKSampler(LABELS, 12, 2, groups=[0.5] * 120)

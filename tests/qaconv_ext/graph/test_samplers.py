"""What holds of every epoch of both samplers, and what of each alone."""

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from qaconv_ext.graph import GraphSampler, PKSampler, class_distances, nearest_classes

LABELS = [c * 10 - 30 for c in range(9) for _ in range(2 + c % 4)]  # 9 classes of 2 to 5 images


class Ring:
    """Neighbors of class c: the next ones; remembers what it was asked."""

    def __init__(self, classes, others):
        self.table = [[(c + d) % classes for d in range(1, others + 1)] for c in range(classes)]
        self.asked = []

    def __call__(self, images):
        self.asked.append(list(images))
        return np.array(self.table).reshape(len(self.table), -1)


def graph_sampler(labels=LABELS, batch_size=6, num_instances=2, seed=0, **ranks):
    ring = Ring(len(np.unique(labels)), batch_size // num_instances - 1)
    return GraphSampler(labels, ring, batch_size, num_instances, seed, **ranks)


def pk_sampler(labels=LABELS, batch_size=6, num_instances=2, seed=0, **ranks):
    return PKSampler(labels, batch_size, num_instances, seed, **ranks)


def batch_classes(batch, labels):
    return sorted({labels[image] for image in batch})


both = pytest.mark.parametrize("make", [graph_sampler, pk_sampler])


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=4, max_size=10),
    num_instances=st.integers(1, 4),
    classes=st.integers(1, 4),
    seed=st.integers(0, 9),
    world_size=st.integers(1, 3),
)
@both
def test_every_batch_is_p_classes_of_k_images(
    make, sizes, num_instances, classes, seed, world_size
):
    labels = [100 - c for c, size in enumerate(sizes) for _ in range(size)]
    world_size = min(world_size, len(sizes) // classes)
    sampler = make(
        labels, num_instances * classes, num_instances, seed, rank=0, world_size=world_size
    )
    length = len(sampler)
    for _ in range(3):
        batches = list(sampler)
        assert len(batches) == len(sampler) == length
        for batch in batches:
            groups = [batch[i : i + num_instances] for i in range(0, len(batch), num_instances)]
            owners = [{labels[image] for image in group} for group in groups]
            assert all(len(owner) == 1 for owner in owners)
            assert len(set.union(*owners)) == classes == len(groups)
            for group in groups:
                available = labels.count(labels[group[0]])
                assert len(set(group)) == num_instances or available < num_instances


@both
def test_every_image_is_used_before_any_repeats_across_epochs(make):
    sampler = make()
    used = defaultdict(list)
    for _ in range(12):
        for batch in sampler:
            for image in batch:
                used[LABELS[image]].append(image)
    for label, sequence in used.items():
        images = [i for i, other in enumerate(LABELS) if other == label]
        size = len(images)
        assert len(sequence) > 2 * size
        for start in range(0, len(sequence) - size + 1, size):
            assert sorted(sequence[start : start + size]) == images


@both
def test_images_of_a_class_are_of_different_cameras(make):
    cameras = [image % 2 for image in range(len(LABELS))]
    sampler = make(cameras=cameras)
    for _ in range(3):
        for batch in sampler:
            for one, other in zip(batch[::2], batch[1::2], strict=True):
                assert cameras[one] != cameras[other] or LABELS.count(LABELS[one]) % 2
    state = sampler.state_dict(position=1)
    make(cameras=cameras).load_state_dict(state)
    for others in (None, cameras[::-1]):
        with pytest.raises(ValueError, match="state: got other cameras"):
            make(cameras=others).load_state_dict(state)
    with pytest.raises(ValueError, match="cameras: got 2 numbers, wanted 30"):
        make(cameras=[0, 1])


@both
def test_the_seed_and_the_epoch_make_the_order(make):
    sampler, twin = make(seed=5), make(seed=5)
    epochs = [list(sampler) for _ in range(3)]
    for epoch in range(3):
        twin.set_epoch(epoch)
        assert list(twin) == epochs[epoch]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert list(make(seed=6)) != epochs[0]


@both
def test_an_epoch_does_not_depend_on_the_epochs_before_but_for_the_queue(make):
    one_image_each = list(range(9))  # queues cannot differ
    later, alone = make(one_image_each, 3, 1), make(one_image_each, 3, 1)
    for _ in range(4):
        list(later)
    alone.set_epoch(3)
    later.set_epoch(3)
    assert list(alone) == list(later)


@both
def test_an_epoch_asked_for_again_is_the_same(make):
    sampler = make()
    first = list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(sampler) != first


@both
def test_what_the_caller_does_to_a_batch_stays_with_the_caller(make):
    sampler = make()
    first = [list(batch) for batch in sampler]
    sampler.set_epoch(0)
    for batch in sampler:
        batch.clear()
    sampler.set_epoch(0)
    assert list(sampler) == first


@both
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_an_epoch_equally_and_apart(make, world_size):
    labels = [label for label in range(20) for _ in range(3)]
    alone = make(labels)
    ranks = [make(labels, rank=rank, world_size=world_size) for rank in range(world_size)]
    for epoch in range(3):
        whole = list(alone)
        shares = [list(sampler) for sampler in ranks]
        assert {len(share) for share in shares} == {len(whole) // world_size}
        assert len(shares[0]) == len(ranks[0])
        # Turn by turn they are the batches of the epoch, none of them twice.
        turns = [batch for turn in zip(*shares, strict=True) for batch in turn]
        used = whole[: len(turns)]
        assert [batch_classes(batch, labels) for batch in turns] == [
            batch_classes(batch, labels) for batch in used
        ]
        # To the image, until the queues differ by what a left-out batch would have had.
        if epoch == 0 or len(used) == len(whole):
            assert turns == used


def test_images_of_left_out_batches_stay_in_their_queue():
    labels = [label for label in range(7) for _ in range(4)]
    ranks = [pk_sampler(labels, 2, 1, rank=rank, world_size=2) for rank in range(2)]
    used = defaultdict(list)
    for _ in range(30):
        for turn in zip(*ranks, strict=True):
            for batch in turn:
                for image in batch:
                    used[labels[image]].append(image)
    for sequence in used.values():
        for start in range(0, len(sequence) - 3, 4):
            assert len(set(sequence[start : start + 4])) == 4


class TestGraphSampler:
    def test_each_class_once_as_anchor_with_its_neighbors(self):
        sampler = graph_sampler()
        assert len(sampler) == 9
        order = []
        for batch in sampler:
            members = [sampler.classes.index(LABELS[image]) for image in batch[::2]]
            assert members[1:] == sampler._neighbors.table[members[0]]
            order.append(members[0])
        assert sorted(order) == list(range(9))
        assert order != list(range(9))

    def test_neighbors_are_asked_once_an_epoch_with_one_image_per_class(self):
        sampler = graph_sampler()
        for _ in range(8):
            list(sampler)
        asked = sampler._neighbors.asked
        assert len(asked) == 8
        for images in asked:
            assert tuple(LABELS[image] for image in images) == sampler.classes
        # Each image of a class can be the one.
        assert len({images[3] for images in asked}) > 1

    def test_with_the_distances_of_an_embedding(self):
        g = torch.Generator().manual_seed(0)
        centers = torch.randn(9, 5, generator=g) * 10
        features = torch.cat(
            [centers[[i // 3]] + 0.01 * torch.randn(1, 5, generator=g) for i in range(27)]
        )

        def matcher(probe, gallery):
            return -torch.cdist(probe, probe if gallery is None else gallery)

        def neighbors(images):
            return nearest_classes(class_distances(features[list(images)], matcher), 2)

        labels = torch.arange(27) // 3
        expected = nearest_classes(torch.cdist(centers, centers), 2).tolist()
        for batch in GraphSampler(labels, neighbors, 6, 2):
            anchor, *others = [image // 3 for image in batch[::2]]
            assert others == expected[anchor]

    def test_in_a_loader_with_workers(self):
        sampler, twin = graph_sampler(), graph_sampler()
        loader = DataLoader(range(len(LABELS)), batch_sampler=sampler, num_workers=1)
        assert len(loader) == 9
        for _ in range(2):
            assert [batch.tolist() for batch in loader] == list(twin)

    def test_one_class_a_batch_needs_no_neighbors(self):
        batches = list(graph_sampler(LABELS, 2, 2))
        assert sorted(LABELS[batch[0]] for batch in batches) == sorted(set(LABELS))

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            (lambda t: t[:, :1], ValueError, r"neighbors: got shape \[9, 1\], wanted \[9, 2\]"),
            (lambda t: t[:-1], ValueError, r"got shape \[8, 2\], wanted \[9, 2\]"),
            (lambda t: t * 1.0, TypeError, "neighbors: got dtype torch.float64"),
            (lambda t: t + 1, ValueError, r"got class numbers 1\.\.9, wanted 0\.\.8"),
            (lambda t: t - 1, ValueError, r"got class numbers -1\.\.7, wanted 0\.\.8"),
            (lambda t: (t + 8) % 9, ValueError, "class number 0, wanted different"),
            (lambda t: t[:, [0, 0]], ValueError, "wanted different numbers"),
        ],
    )
    def test_a_wrong_graph_is_refused_and_can_be_mended(self, change, error, text):
        ring = Ring(9, 2)
        right = ring.table
        sampler = GraphSampler(LABELS, ring, 6, 2)
        ring.__class__ = type("Broken", (Ring,), {"__call__": lambda s, i: change(np.array(right))})
        with pytest.raises(error, match=text):
            list(sampler)
        ring.__class__ = Ring
        assert list(sampler) == list(graph_sampler())

    def test_a_wider_graph_is_drawn_from(self):
        labels = [label for label in range(40) for _ in range(2)]
        sampler = GraphSampler(labels, Ring(40, 12), 8, 2)
        drawn = set()
        for batch in sampler:
            anchor, *others = [image // 2 for image in batch[::2]]
            assert len(set(others)) == 3
            assert set(others) <= set(sampler._neighbors.table[anchor])
            drawn.add(tuple(sorted((other - anchor) % 40 for other in others)))
        assert len(drawn) > 20

    @pytest.mark.parametrize("strangers", [1, 2, 3])
    def test_strangers_are_anybody(self, strangers):
        labels = [label for label in range(40) for _ in range(2)]
        ring = Ring(40, 3 - strangers)
        sampler = GraphSampler(labels, ring, 8, 2, strangers=strangers)
        steps = []
        for batch in sampler:
            anchor, *others = [image // 2 for image in batch[::2]]
            assert len({anchor, *others}) == 4
            assert others[: 3 - strangers] == ring.table[anchor]
            steps += [(other - anchor) % 40 for other in others[3 - strangers :]]
        assert len(set(steps)) > 20
        resumed = GraphSampler(labels, ring, 8, 2, strangers=strangers)
        resumed.load_state_dict(sampler.state_dict(position=30))
        assert len(list(resumed)) == 10
        with pytest.raises(ValueError, match="strangers"):
            GraphSampler(labels, Ring(40, 3), 8, 2).load_state_dict(sampler.state_dict(position=0))
        with pytest.raises(ValueError, match=r"strangers: got 4, wanted 0\.\.3"):
            GraphSampler(labels, ring, 8, 2, strangers=4)

    @pytest.mark.parametrize("kind", [torch.tensor, np.array, list])
    def test_tensor_array_or_lists(self, kind):
        table = Ring(9, 2).table
        assert list(GraphSampler(LABELS, lambda images: kind(table), 6, 2)) == list(graph_sampler())


class TestPKSampler:
    def test_each_class_at_most_once_and_the_left_over_change(self):
        labels = [label for label in range(11) for _ in range(2)]
        sampler = pk_sampler(labels)
        assert len(sampler) == 3
        left = Counter()
        for _ in range(40):
            seen = [labels[image] for batch in sampler for image in batch[::2]]
            assert len(set(seen)) == len(seen) == 9
            left.update(set(range(11)) - set(seen))
        assert set(left) == set(range(11))


@both
class TestArguments:
    def test_labels_of_any_kind(self, make):
        expected = list(make())
        assert make().classes == tuple(sorted(set(LABELS)))
        assert list(make(np.array(LABELS))) == expected
        assert list(make(torch.tensor(LABELS))) == expected
        assert list(make(iter(LABELS)) if make is pk_sampler else make(tuple(LABELS))) == expected

    def test_fewer_classes_than_a_batch_holds(self, make):
        with pytest.raises(ValueError, match="labels: got 9 classes, wanted at least 10, for a"):
            make(LABELS, 20, 2)
        assert len(make(LABELS, 18, 2)) == (9 if make is graph_sampler else 1)

    def test_a_batch_that_is_no_multiple(self, make):
        with pytest.raises(
            ValueError, match="batch_size: got 7, wanted a multiple of num_instances"
        ):
            make(LABELS, 7, 2)

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"batch_size": 0}, "batch_size: got 0, wanted 1 or more"),
            ({"batch_size": -2, "num_instances": -1}, "batch_size: got -2"),
            ({"world_size": 0}, "world_size: got 0"),
            ({"rank": 2, "world_size": 2}, r"rank: got 2, wanted 0\.\.1"),
            ({"world_size": 10, "rank": 0}, "world_size: got 10 ranks for"),
        ],
    )
    def test_other_bad_numbers(self, make, arguments, text):
        with pytest.raises(ValueError, match=text):
            make(**arguments)

    def test_labels_that_are_no_numbers(self, make):
        with pytest.raises(TypeError, match=r"labels: got 0\.5, wanted whole numbers"):
            make([0, 1, 2, 0.5])
        with pytest.raises(ValueError, match="epoch: got -1"):
            make().set_epoch(-1)

"""A run that was cut off goes on with the batches it would have had."""

import json

import pytest

from qaconv_ext.graph import GraphSampler, PKSampler

LABELS = [c for c in range(8) for _ in range(2 + c % 3)]
TABLE = [[(c + 1) % 8, (c + 3) % 8] for c in range(8)]


def make_graph(**changes):
    arguments = {"batch_size": 6, "num_instances": 2, "seed": 1} | changes
    labels = arguments.pop("labels", LABELS)
    return GraphSampler(labels, lambda images: TABLE, **arguments)


def make_pk(**changes):
    arguments = {"batch_size": 4, "num_instances": 2, "seed": 1} | changes
    labels = arguments.pop("labels", LABELS)
    return PKSampler(labels, **arguments)


both = pytest.mark.parametrize("make", [make_graph, make_pk])


def through_json(state):
    return json.loads(json.dumps(state))


@both
@pytest.mark.parametrize("with_set_epoch", [True, False])
def test_from_every_batch_of_an_epoch(make, with_set_epoch):
    steady = make()
    epochs = [list(steady) for _ in range(4)]
    for done in range(len(steady) + 1):
        cut_off = make()
        list(cut_off)
        list(cut_off)  # a loader that fetches ahead has taken all of epoch 1
        resumed = make()
        resumed.load_state_dict(through_json(cut_off.state_dict(position=done)))
        assert len(resumed) == len(steady)
        got = []
        for epoch in range(1, 4):
            if with_set_epoch:
                resumed.set_epoch(epoch)
            got.append(list(resumed))
        assert got == [epochs[1][done:], epochs[2], epochs[3]]


@both
def test_a_finished_epoch_can_be_stepped_over(make):
    steady = make()
    epochs = [list(steady) for _ in range(3)]
    done = make()
    list(done)
    resumed = make()
    resumed.load_state_dict(done.state_dict(position=len(done)))
    resumed.set_epoch(1)
    assert list(resumed) == epochs[1]


@both
def test_twice_cut_off_in_one_epoch(make):
    whole = list(make())
    first = make()
    next(iter(first))
    second = make()
    second.load_state_dict(first.state_dict(position=1))
    assert next(iter(second)) == whole[1]
    third = make()
    third.load_state_dict(second.state_dict(position=2))
    assert list(third) == whole[2:]


@both
def test_before_the_first_batch(make):
    sampler = make()
    state = through_json(sampler.state_dict(position=0))
    resumed = make()
    list(resumed)
    resumed.load_state_dict(state)
    assert list(resumed) == list(sampler)


@both
def test_one_state_serves_every_rank(make):
    ranks = [make(rank=rank, world_size=2) for rank in range(2)]
    whole = [list(sampler) for sampler in ranks]
    states = [sampler.state_dict(position=1) for sampler in ranks]
    assert states[0] == states[1]
    for rank in range(2):
        resumed = make(rank=rank, world_size=2)
        resumed.load_state_dict(states[0])
        assert list(resumed) == whole[rank][1:]


def test_a_resumed_epoch_asks_for_no_graph():
    sampler = make_graph()
    list(sampler)
    resumed = GraphSampler(LABELS, lambda images: pytest.fail("asked"), 6, 2, seed=1)
    resumed.load_state_dict(sampler.state_dict(position=3))
    assert len(list(resumed)) == 5


@both
def test_a_state_is_a_copy(make):
    sampler = make()
    whole = list(sampler)
    state = sampler.state_dict(position=0)
    kept = through_json(state)
    list(sampler)
    assert state == kept
    resumed = make()
    resumed.load_state_dict(state)
    state["batches"].clear()
    state["queues"].clear()
    assert list(resumed) == whole


@both
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": 2}, "state: got seed 1, wanted 2"),
        ({"batch_size": 3, "num_instances": 1}, "state: got batch_size"),
        ({"labels": [*LABELS, 7]}, "state: got images 23, wanted 24"),
        ({"labels": LABELS[::-1]}, "state: got other labels"),
        ({"world_size": 2}, "state: got world_size 1, wanted 2"),
    ],
)
def test_the_state_of_another_sampler_is_refused(make, changes, text):
    sampler = make()
    list(sampler)
    with pytest.raises(ValueError, match=text):
        make(**changes).load_state_dict(sampler.state_dict(position=1))


@both
def test_a_broken_state_is_refused_and_changes_nothing(make):
    sampler = make()
    whole = list(sampler)
    state = sampler.state_dict(position=1)
    with pytest.raises(ValueError, match="state: got no queues, wanted a state_dict"):
        sampler.load_state_dict({k: v for k, v in state.items() if k != "queues"})
    with pytest.raises(ValueError, match="and position 99"):
        sampler.load_state_dict(state | {"position": 99})
    with pytest.raises(ValueError, match="queues: got 0 classes"):
        sampler.load_state_dict(state | {"queues": []})
    sampler.set_epoch(0)
    assert list(sampler) == whole


@both
def test_a_position_that_cannot_be_is_refused(make):
    sampler = make()
    with pytest.raises(ValueError, match=r"position: got 1, wanted 0\.\.0 as the epoch has not"):
        sampler.state_dict(position=1)
    list(sampler)
    with pytest.raises(ValueError, match="position: got 9, wanted"):
        sampler.state_dict(position=9)

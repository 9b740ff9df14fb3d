import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaconv_ext.graph import ClassQueues


@given(
    size=st.integers(1, 7),
    draws=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_every_image_once_between_shuffles_and_no_needless_repeat_in_a_draw(size, draws, seed):
    images = list(range(10, 10 + size))
    queues, rng = ClassQueues([[1], images]), random.Random(seed)
    drawn = [queues.draw(1, count, rng) for count in draws]
    assert [len(draw) for draw in drawn] == draws
    flat = [image for draw in drawn for image in draw]
    for start in range(0, len(flat) - size + 1, size):
        assert sorted(flat[start : start + size]) == images
    for draw in drawn:
        times = Counter(draw)
        # Two queues can meet in a draw that is larger than the class: one more than even, then.
        allowed = 1 if len(draw) <= size else -(-len(draw) // size) + 1
        assert max(times.values()) <= allowed


def test_a_draw_larger_than_its_class_repeats_as_evenly_as_it_goes():
    draw = ClassQueues([[4, 5]]).draw(0, 5, random.Random(0))
    assert sorted(Counter(draw).values()) == [2, 3]


def test_the_state_continues_the_deal():
    queues, rng = ClassQueues([list(range(5))]), random.Random(3)
    queues.draw(0, 3, rng)
    copy = ClassQueues([list(range(5))])
    copy.load(queues.state())
    position = rng.getstate()
    expected = [queues.draw(0, 3, rng) for _ in range(4)]
    rng.setstate(position)
    assert [copy.draw(0, 3, rng) for _ in range(4)] == expected


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ([[0]], "got 1 classes, wanted 2"),
        ([[0], [9]], "class number 1"),
        ([[0, 0], []], "number 0"),
    ],
)
def test_a_state_of_other_images_is_refused(state, text):
    with pytest.raises(ValueError, match=text):
        ClassQueues([[0, 1], [2, 3]]).load(state)


@settings(max_examples=80)
@given(
    seen=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    count=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_a_draw_is_of_as_many_cameras_as_there_are(seen, count, seed):
    cameras = [camera for camera, images in enumerate(seen) for _ in range(images)]
    queues, rng = ClassQueues([range(len(cameras))], cameras), random.Random(seed)
    drawn = [queues.draw(0, count, rng) for _ in range(12)]
    assert len({cameras[image] for image in drawn[0]}) == min(count, len(seen))
    # Still every image once before any repeats.
    order = [image for draw in drawn for image in draw]
    for start in range(0, len(order) - len(cameras) + 1, len(cameras)):
        assert sorted(order[start : start + len(cameras)]) == list(range(len(cameras)))


def test_pairs_are_of_two_cameras_to_the_end_of_the_queue():
    cameras = [0, 0, 0, 1, 1, 1, 2, 2]
    queues, rng = ClassQueues([range(8)], cameras), random.Random(0)
    for _ in range(40):
        one, other = queues.draw(0, 2, rng)
        assert cameras[one] != cameras[other]


def test_cameras_that_are_one_change_nothing():
    plain, apart = ClassQueues([range(7)]), ClassQueues([range(7)], [3] * 7)
    for seed in range(5):
        random_states = random.Random(seed), random.Random(seed)
        for _ in range(6):
            draws = [
                queues.draw(0, 2, rng)
                for queues, rng in zip((plain, apart), random_states, strict=True)
            ]
            assert draws[0] == draws[1]

"""Shuffled batches: every image at most once, no class ever twice on purpose."""

import json

import pytest

from qaconv_ext.graph import ShuffleSampler

LABELS = [c for c in range(9) for _ in range(3)]  # 27 images


def test_an_epoch_gives_every_image_at_most_once_and_others_are_left_over_each_time():
    sampler = ShuffleSampler(LABELS, 4, seed=1)
    epochs = [list(sampler) for _ in range(100)]
    left = set()
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4] * len(sampler)
        images = [image for batch in epoch for image in batch]
        assert len(set(images)) == 24
        left |= set(range(27)) - set(images)
    assert left == set(range(27))
    assert epochs[0] != epochs[1]
    assert list(ShuffleSampler(LABELS, 4, seed=1)) == epochs[0]
    assert list(ShuffleSampler(LABELS, 4, seed=2)) != epochs[0]


@pytest.mark.parametrize("done", [0, 2, 6])
def test_it_is_resumed_within_an_epoch(done):
    steady = ShuffleSampler(LABELS, 4)
    first, second = list(steady), list(steady)
    cut_off = ShuffleSampler(LABELS, 4)
    list(cut_off)
    resumed = ShuffleSampler(LABELS, 4)
    resumed.load_state_dict(json.loads(json.dumps(cut_off.state_dict(position=done))))
    assert list(resumed) == first[done:]
    assert list(resumed) == second


def test_ranks_share_an_epoch():
    whole = list(ShuffleSampler(LABELS, 4))
    shares = [list(ShuffleSampler(LABELS, 4, rank=rank, world_size=2)) for rank in range(2)]
    assert shares == [whole[0::2], whole[1::2]]


def test_too_few_images():
    with pytest.raises(ValueError, match="labels: got 27 images, wanted at least 28"):
        ShuffleSampler(LABELS, 28)
    with pytest.raises(ValueError, match="world_size: got 3 ranks for 2 batches"):
        ShuffleSampler(LABELS, 10, world_size=3)
    with pytest.raises(ValueError, match="state: got batch_size 4, wanted 5"):
        ShuffleSampler(LABELS, 5).load_state_dict(ShuffleSampler(LABELS, 4).state_dict(position=0))

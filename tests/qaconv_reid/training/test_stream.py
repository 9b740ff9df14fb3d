"""The batches of a run, of several training sets."""

from __future__ import annotations

import pytest

from qaconv_reid.training import TrainingImages
from support.runs import small_config, small_images, small_trainer


def two_sets(folder):
    """Of six identities and of three."""
    parts = []
    for name, persons in (("many", 6), ("few", 3)):
        (folder / name).mkdir()
        parts.append(small_images(folder / name, persons))
    return TrainingImages(
        parts[0].records + parts[1].records,
        parts[0].labels + tuple(6 + label for label in parts[1].labels),
        (0,) * len(parts[0].labels) + (1,) * len(parts[1].labels),
    )


def test_several_sets_can_be_balanced(tmp_path):
    images = two_sets(tmp_path)
    config = small_config("data.balanced=true", "sampler.kind=pk", "sampler.batch_size=8")
    trainer = small_trainer(images, config)
    for _ in range(4):
        _, batch = trainer.stream.next()
        assert sorted(images.sources[image] for image in batch) == [0] * 4 + [1] * 4


def test_batches_can_be_of_one_set_each(tmp_path):
    images = two_sets(tmp_path)
    config = small_config("sampler.one_set=true", "sampler.kind=pk", "sampler.batch_size=6")
    trainer = small_trainer(images, config)
    batches = [trainer.stream.next()[1] for _ in range(9)]  # three sweeps
    sets = [{images.sources[image] for image in batch} for batch in batches]
    assert sorted(sets, key=min) == [{0}] * 6 + [{1}] * 3


def test_a_warm_start_can_be_of_batches_of_one_set_each(tmp_path):
    images = two_sets(tmp_path)
    config = small_config("sampler.one_set=true", "sampler.warm_start=1", "sampler.batch_size=6")
    trainer = small_trainer(images, config)
    (warm, *_) = trainer.epochs()
    assert warm.graph_seconds == 0
    assert len(trainer.stream._samplers["pk"]) == 3
    anchors = [batch[0] for batch in trainer.stream._samplers["graph"]]
    assert sorted(images.labels[image] for image in anchors) == list(range(9))


@pytest.mark.parametrize(("epochs", "batches"), [(0.5, 25), (1.1, 55), (0.07, 4)])
def test_a_warm_start_is_of_whole_batches(tmp_path, epochs, batches):
    config = small_config(f"sampler.warm_start={epochs}", "schedule.epoch_images=300")
    stream = small_trainer(small_images(tmp_path), config).stream
    assert stream._warm_batches == batches

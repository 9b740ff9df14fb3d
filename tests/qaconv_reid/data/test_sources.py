"""Where training images come from: the same pixels from everywhere, and never old ones."""

from __future__ import annotations

import os

import pytest
import torch

from qaconv_reid.data import DataError, ImageDataset, load, open_source, sources
from support.images import draw_person, write_person_folders

CPU = torch.device("cpu")
BATCHES = [[5, 0, 5], [2], [1, 3, 4, 0]]


@pytest.fixture
def dataset(tmp_path):
    write_person_folders(tmp_path / "people", persons=3, shots=2)
    return ImageDataset(load(tmp_path / "people").train, 48, 16)


@pytest.mark.parametrize("cache", ["device", "memory", "disk", "off", "auto"])
@pytest.mark.parametrize("workers", [0, 1])
def test_every_source_gives_the_same_images(dataset, tmp_path, cache, workers):
    source = open_source(dataset, cache, device=CPU, workers=workers, folder=tmp_path / "cache")
    for _ in range(2):  # loaders remain and are used again
        got = list(source.batches(BATCHES))
        assert [batch.dtype for batch in got] == [torch.uint8] * 3
        for batch, index in zip(got, BATCHES, strict=True):
            assert torch.equal(batch, torch.stack([dataset[i][0] for i in index]))


def test_workers_stay_alive_from_one_sweep_to_the_next(dataset):
    source = open_source(dataset, "off", device=CPU, workers=2)
    list(source.batches(BATCHES))
    first = [worker.pid for worker in source._reader.loader._iterator._workers]
    list(source.batches(BATCHES))
    assert [worker.pid for worker in source._reader.loader._iterator._workers] == first


def test_a_file_is_found_again_and_another_image_is_another_file(dataset, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    first = next(open_source(dataset, "disk", device=CPU, folder=folder).batches([[0]]))
    with monkeypatch.context() as patch:
        patch.setattr(ImageDataset, "read", None)  # nothing may be read
        again = next(open_source(dataset, "disk", device=CPU, folder=folder).batches([[0]]))
    assert torch.equal(first, again)

    path = dataset.records[0].path
    draw_person(77).save(path)
    os.utime(path, ns=(1, 1))
    other = next(open_source(dataset, "disk", device=CPU, folder=folder).batches([[0]]))
    assert torch.equal(other[0], dataset[0][0])
    assert not torch.equal(other, first)
    assert len(list(folder.iterdir())) == 2


def test_a_build_that_fails_leaves_no_file(dataset, tmp_path):
    dataset.records[3].path.write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        open_source(dataset, "disk", device=CPU, folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_read(dataset, monkeypatch):
    monkeypatch.setattr(sources, "_free", lambda place: 1000)
    monkeypatch.setattr(ImageDataset, "read", None)
    with pytest.raises(DataError, match=r"data\.cache: got memory, which takes .* MB of .* free"):
        open_source(dataset, "memory", device=CPU)
    # An automatic choice then reads them each time.
    assert "data.cache=off" in open_source(dataset, "auto", device=CPU).about


@pytest.mark.parametrize(
    ("device_free", "memory_free", "chosen"),
    [(400, 400, "device"), (399, 400, "memory"), (399, 399, "off"), (None, 400, "memory")],
)
def test_the_automatic_choice(monkeypatch, device_free, memory_free, chosen):
    free = {"cuda": device_free, "cpu": memory_free}
    monkeypatch.setattr(sources, "_free", lambda place: free[place.type])
    assert sources.choose_cache(100, torch.device("cuda")) == chosen


def test_what_is_kept_is_said(dataset):
    told = []
    source = open_source(dataset, "memory", device=CPU, progress=lambda *step: told.append(step))
    assert source.about == "images are kept in memory, 0.014 MB"
    assert told == [("reading images", 6, 6)]


@pytest.mark.parametrize("cache", ["memory", "disk", "off"])
def test_broken_images_can_be_replaced_everywhere(dataset, tmp_path, cache):
    dataset.records[1].path.write_bytes(b"")
    labels = [record.person for record in dataset.records]
    dataset = ImageDataset(dataset.records, 48, 16, labels=labels)
    folder = tmp_path / "cache"
    for _ in range(2):  # the second run is told as well
        told = []
        how = {"device": CPU, "folder": folder, "notice": told.append}
        source = open_source(dataset, cache, **how)
        (batch,) = source.batches([[0, 1]])
        assert torch.equal(batch[0], batch[1])
        assert len(told) == 1
    assert cache == "off" or source.about.endswith(
        "; 1 broken ones are replaced (data.broken=skip)"
    )


def test_what_was_kept_with_broken_images_replaced_is_another_file(dataset, tmp_path):
    labels = [record.person for record in dataset.records]
    for chosen in (dataset, ImageDataset(dataset.records, 48, 16, labels=labels)):
        open_source(chosen, "disk", device=CPU, folder=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2

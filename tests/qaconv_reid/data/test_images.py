import random
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from qaconv_reid.data import (
    DataError,
    ImageDataset,
    Record,
    build_test_transform,
    build_train_transform,
    load,
)
from support.images import write_person_folders


@pytest.fixture
def records(tmp_path) -> tuple[Record, ...]:
    write_person_folders(tmp_path, persons=3, shots=2)
    return load(tmp_path).train


def test_items_are_an_image_and_its_index(records):
    image, index = ImageDataset(records, build_test_transform(48, 16))[4]
    assert index == 4
    assert type(image) is torch.Tensor
    assert image.dtype == torch.float32
    assert image.shape == (3, 48, 16)
    assert 0 <= image.min() < image.max() <= 1


def test_grey_and_palette_images_become_rgb(tmp_path):
    from PIL import Image

    for mode in ("L", "P", "RGBA"):
        Image.new(mode, (8, 16)).save(tmp_path / f"{mode}.png")
        dataset = ImageDataset([Record(tmp_path / f"{mode}.png", 1)], build_test_transform(16, 8))
        assert dataset[0][0].shape == (3, 16, 8)


@pytest.mark.parametrize("content", [None, b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_image_is_named(tmp_path, content):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad.png: cannot be read as an image"):
        ImageDataset([Record(path, 1)], build_test_transform(16, 8))[0]


def test_a_worker_reports_the_unreadable_image(tmp_path):
    dataset = ImageDataset([Record(Path("absent.jpg"), 1)], build_test_transform(16, 8))
    with pytest.raises(DataError, match=r"absent\.jpg"):
        next(iter(DataLoader(dataset, num_workers=1)))


def batches(
    dataset: ImageDataset, sampler: list[list[int]], workers: int = 0
) -> list[torch.Tensor]:
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=workers)
    return [images for images, _ in loader]


def test_a_seeded_batch_depends_on_seed_epoch_and_indices_alone(records):
    transform = build_train_transform(48, 16)
    dataset = ImageDataset(records, transform, seed=7)
    sampler = [[0, 1, 2, 0], [3, 4, 5, 3]]
    first = batches(dataset, sampler)

    random.seed(1)
    torch.manual_seed(1)
    in_workers = batches(dataset, sampler, workers=1)
    resumed = batches(dataset, sampler[1:])
    assert all(map(torch.equal, first, in_workers))
    assert torch.equal(first[1], resumed[0])

    assert not torch.equal(first[0][0], first[0][3])  # one image, twice in a batch
    dataset.set_epoch(1)
    assert not torch.equal(first[0], batches(dataset, sampler)[0])
    assert not torch.equal(first[0], batches(ImageDataset(records, transform, seed=8), sampler)[0])


def test_the_global_generator_is_left_alone_by_a_seed_and_used_without(records):
    transform = build_train_transform(48, 16)
    seeded, plain = ImageDataset(records, transform, seed=7), ImageDataset(records, transform)
    before = torch.get_rng_state()
    seeded[0]
    assert torch.equal(torch.get_rng_state(), before)
    one = plain[0][0]
    two = plain[0][0]
    torch.set_rng_state(before)
    assert torch.equal(plain[0][0], one)
    assert not torch.equal(one, two)

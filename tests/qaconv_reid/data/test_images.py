from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from qaconv_reid.data import DataError, ImageDataset, ImageLoader, Record, load
from qaconv_reid.processes import cores
from support.images import draw_person, write_person_folders


@pytest.fixture
def records(tmp_path) -> tuple[Record, ...]:
    write_person_folders(tmp_path, persons=3, shots=2)
    return load(tmp_path).train


def test_items_are_an_image_and_its_index(records):
    image, index = ImageDataset(records, 48, 16)[4]
    assert index == 4
    assert type(image) is torch.Tensor
    assert image.dtype == torch.uint8
    assert image.shape == (3, 48, 16)
    assert image.min() < image.max()


def test_images_are_resized_by_pillow_bicubic(tmp_path):
    picture = draw_person(3)
    picture.save(tmp_path / "a.png")
    image, _ = ImageDataset([Record(tmp_path / "a.png", 1)], 384, 128)[0]
    wanted = np.asarray(picture.resize((128, 384), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), wanted)


def test_gray_and_palette_images_become_rgb(tmp_path):
    for mode in ("L", "P", "RGBA"):
        Image.new(mode, (8, 16)).save(tmp_path / f"{mode}.png")
        dataset = ImageDataset([Record(tmp_path / f"{mode}.png", 1)], 16, 8)
        assert dataset[0][0].shape == (3, 16, 8)


@pytest.mark.parametrize("content", [None, b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_image_is_named(tmp_path, content):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad.png: cannot be read as an image"):
        ImageDataset([Record(path, 1)], 16, 8)[0]


def test_a_worker_reports_the_unreadable_image():
    dataset = ImageDataset([Record(Path("absent.jpg"), 1)], 16, 8)
    with pytest.raises(DataError, match=r"absent\.jpg"):
        next(iter(DataLoader(dataset, num_workers=1)))


@pytest.mark.parametrize(
    ("size", "message"), [((0, 8), "height: got 0"), ((8, -1), "width: got -1")]
)
def test_sizes_are_checked(size, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset([], *size)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_sentence_from_workers_too(records, workers):
    records[4].path.write_bytes(records[4].path.read_bytes()[:100])
    loader = ImageLoader(ImageDataset(records, 48, 16), workers=workers, batch_size=2)
    with pytest.raises(DataError) as error:
        list(loader)
    assert str(error.value).startswith(f"{records[4].path}: cannot be read as an image (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_replaced_by_the_next_of_its_person(tmp_path, workers):
    write_person_folders(tmp_path, persons=2, shots=3)
    records = load(tmp_path).train
    dataset = ImageDataset(records, 48, 16, labels=[record.person for record in records])
    whole = torch.stack([dataset[i][0] for i in range(6)])
    for broken in (2, 4):
        records[broken].path.write_bytes(b"no image")
    told: list[str] = []
    loader = ImageLoader(dataset, workers=workers, batch_size=3, notice=told.append)
    for _ in range(2):
        batches = list(loader)
        assert torch.equal(torch.cat([index for _, index in batches]), torch.arange(6))
        # Behind the last comes the first.
        assert torch.equal(torch.cat([part for part, _ in batches]), whole[[0, 1, 0, 3, 5, 5]])
    assert len(told) == len(loader.broken) == 2  # each once
    assert told[1].startswith(f"{records[4].path}: cannot be read")
    assert told[1].endswith("takes its place (data.broken=skip; 2 so far)")


def test_there_are_no_more_workers_than_cores(records, recwarn):
    """torch would warn of it twice."""
    loader = ImageLoader(ImageDataset(records, 48, 16), workers=cores() + 1, batch_size=2)
    assert sum(len(index) for _, index in loader) == len(records)
    assert [str(warning.message) for warning in recwarn] == []


def test_a_person_without_any_image_that_can_be_read_ends_it(records):
    for record in records[2:4]:
        record.path.write_bytes(b"")
    dataset = ImageDataset(records, 48, 16, labels=[record.person for record in records])
    with pytest.raises(DataError, match="and no other image of that identity can be read"):
        list(ImageLoader(dataset, batch_size=2))

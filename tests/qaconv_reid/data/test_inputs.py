"""Images of every kind become the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from qaconv_reid.data import (
    Crop,
    DataError,
    ImageDataset,
    Record,
    images_below,
    input_batches,
    list_inputs,
)
from support.images import draw_person, save_images

HEIGHT, WIDTH = 32, 16


def pixels(images, height=HEIGHT, width=WIDTH):
    batches = list(input_batches(list_inputs(images), height, width, 2))
    assert torch.cat([index for _, index in batches]).tolist() == list(
        range(sum(len(images) for images, _ in batches))
    )
    return torch.cat([images for images, _ in batches])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.png"
    draw_person(3, height=80, width=40).save(path)
    return path


def test_every_kind_gives_the_pixels_of_a_data_set(file):
    wanted = ImageDataset([Record(file, 0)], HEIGHT, WIDTH)[0][0][None]
    picture = Image.open(file)
    array = np.asarray(picture)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    for same in (str(file), file, file.parent, picture, array, array[None], tensor, tensor[None]):
        assert pixels(same).equal(wanted)
    assert pixels([file, picture, tensor]).equal(wanted.repeat(3, 1, 1, 1))


def test_floats_are_resized_alike(file):
    wanted = pixels(file)
    floats = np.asarray(Image.open(file)) / 255
    found = pixels([floats, torch.from_numpy(floats).permute(2, 0, 1).half()])
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1
    # PIL rounds after each of the two passes of uint8 images.
    assert (found * 255 - wanted).abs().max() < 1.5


def test_beside_floats_all_become_floats(file):
    mixed = pixels([file, np.zeros((HEIGHT, WIDTH, 3), np.float32)])
    assert mixed.dtype == torch.float32
    assert mixed[:1].mul(255).round().to(torch.uint8).equal(pixels(file))


def test_a_box_is_cut_out(file):
    box = (4, 8, 20, 40)
    cut = Image.open(file).crop((4, 8, 24, 48))
    assert pixels(Crop(file, box)).equal(pixels(cut))
    with pytest.raises(DataError, match=r"box: got \[30, 0, 20, 40\] .* 40 × 80 pixels"):
        pixels(Crop(file, (30, 0, 20, 40)))


def test_folders_are_walked_in_order(tmp_path):
    save_images(tmp_path, ["b/1.png", "a/2.png", "a/1.png", "0.png", "a/note.txt.png"])
    (tmp_path / "a" / "note.txt").write_text("no image")
    names = [str(p.relative_to(tmp_path)) for p in images_below(tmp_path)]
    assert names == ["0.png", "a/1.png", "a/2.png", "a/note.txt.png", "b/1.png"]


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        ([], ValueError, "images: got none"),
        ("/no/where.jpg", DataError, "/no/where.jpg: there is no such file"),
        ([3], TypeError, "images: got int as number 0"),
        (np.zeros((4, 4)), ValueError, r"got shape \[4, 4\] as number 0, wanted \[H, W, 3\]"),
        (
            torch.zeros(4, 4, 3),
            ValueError,
            r"got shape \[4, 4, 3\] as number 0, wanted \[3, H, W\]",
        ),
        (np.zeros((4, 4, 3), np.int64), TypeError, "got int64 as number 0, wanted uint8"),
        (np.full((4, 4, 3), 200.0), ValueError, r"numbers outside \[0, 1\]"),
        (torch.full((3, 4, 4), torch.nan), ValueError, r"numbers outside \[0, 1\]"),
    ],
)
def test_what_is_no_image_is_named(images, error, said):
    with pytest.raises(error, match=said):
        list_inputs(images)


def test_an_empty_folder_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(DataError, match="got no image in it"):
        list_inputs(tmp_path)
    (tmp_path / "broken.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"broken\.jpg: cannot be read as an image"):
        pixels(tmp_path)
    with pytest.raises(ValueError, match="batch_size: got 0"):
        list(input_batches([], 4, 4, 0))

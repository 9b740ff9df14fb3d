"""The batched transforms against torchvision's on Pillow images: the same numbers, drawn alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import functional

from qaconv_reid.config import AugmentationConfig
from qaconv_reid.data import Augmentation
from qaconv_reid.data.augmentation import _recolored
from support.pil_transforms import pil_samples

OFF = {
    "padding": 0,
    "flip": 0.0,
    "rotation": 0.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue": 0.0,
    "occlusion": 0.0,
}


def settings(**changes):
    return AugmentationConfig(**OFF | changes)


def noise(count=1, height=64, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def picture(image):
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def pixels(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


def samples(config, image, count, seed=0):
    """One image changed many times, in batches, as whole numbers."""
    augmentation = Augmentation(config, *image.shape[1:])
    batches = [
        augmentation(image.expand(50, *image.shape), [seed, batch]) for batch in range(count // 50)
    ]
    return (torch.cat(batches) * 255).round().to(torch.uint8)


ADJUSTMENTS = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
)


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("factor", [0.5, 0.73, 1.0, 1.31, 2.0])
def test_brightness_contrast_and_saturation_are_pillow_s(kind, factor):
    image = noise()
    got = _recolored(kind, image.float(), torch.full((1, 1, 1), factor))
    assert torch.equal(got[0], pixels(ADJUSTMENTS[kind](picture(image[0]), factor)))


@pytest.mark.parametrize("turn", [-0.5, -0.1, -0.004, 0.0, 0.03, 0.1, 0.3])
def test_the_hue_is_pillow_s(turn):
    image = torch.cat([noise(), noise(height=64) // 8 + 100, noise() // 255 * 255], dim=3)
    shift = torch.full((1, 1, 1), float(np.trunc(turn * 255) % 256))
    got = _recolored(3, image.float(), shift)
    assert torch.equal(got[0], pixels(functional.adjust_hue(picture(image[0]), turn)))


@pytest.mark.parametrize("angle", [-5.0, -1.3, 0.0, 2.0, 5.0])
def test_a_rotation_takes_the_pixel_that_pillow_takes(angle):
    image = noise()
    augmentation = Augmentation(settings(rotation=5.0), 64, 48)
    turn = torch.tensor([[math.cos(math.radians(angle)), math.sin(math.radians(angle))]])
    got = augmentation._move(image, torch.zeros(1, 2), torch.zeros(1, 1), turn)[0]
    # Pillow walks along a row in steps of 1/65536: where two pixels are equally near it may differ.
    assert (got == pixels(picture(image[0]).rotate(angle))).float().mean() > 0.998


def test_crop_and_flip_move_whole_pixels():
    image = noise()
    augmentation = Augmentation(settings(padding=10, flip=0.5), 64, 48)
    still = torch.tensor([[1.0, 0.0]])
    got = augmentation._move(image, torch.tensor([[2.0, -3.0]]), torch.ones(1, 1), still)[0]
    moved = functional.crop(functional.pad(image, [4]), 4 + 2, 4 - 3, 64, 48)
    assert torch.equal(got, functional.horizontal_flip(moved)[0])


def red_square():
    image = torch.full((3, 48, 32), 60, dtype=torch.uint8)
    image[0, 20:24, 6:10] = 250
    return image


def center(images):
    """Row and column of the middle of what is red."""
    red = (images[:, 0] > 200).float()
    rows, columns = torch.arange(48.0), torch.arange(32.0)
    mass = red.sum((1, 2)).clamp(min=1)
    return (red.sum(2) @ rows) / mass, (red.sum(1) @ columns) / mass


def colored():
    image = torch.empty(3, 8, 8, dtype=torch.uint8)
    image[:] = torch.tensor([150, 90, 60], dtype=torch.uint8)[:, None, None]
    image[:, :4] = torch.tensor([60, 100, 120], dtype=torch.uint8)[:, None, None]
    return image


STATISTICS = {
    "crop, row": ({"padding": 20}, red_square, lambda x: center(x)[0]),
    "crop, column": ({"padding": 20}, red_square, lambda x: center(x)[1]),
    "flip": ({"flip": 0.5}, red_square, lambda x: center(x)[1]),
    "rotation, row": ({"rotation": 5.0}, red_square, lambda x: center(x)[0]),
    "rotation, column": ({"rotation": 5.0}, red_square, lambda x: center(x)[1]),
    "brightness": ({"brightness": 2.0}, colored, lambda x: x[:, 1, 0, 0]),
    "contrast": ({"contrast": 2.0}, colored, lambda x: x[:, 0, 7, 0] - 0.5 * x[:, 0, 0, 0]),
    "saturation": ({"saturation": 2.0}, colored, lambda x: x[:, 0, 7, 0]),
    "hue": ({"hue": 0.1}, colored, lambda x: x[:, 1, 7, 0]),
    "colors together": (
        {"brightness": 2.0, "contrast": 2.0, "saturation": 2.0, "hue": 0.1},
        colored,
        lambda x: x[:, 0, 7, 0] + 0.3 * x[:, 2, 0, 0],
    ),
    "occlusion, side": ({"occlusion": 0.8}, red_square, lambda x: (x == 255).sum((1, 2, 3))),
    "occlusion, row": (
        {"occlusion": 0.8},
        red_square,
        lambda x: (x[:, 1] == 255).any(2).float().argmax(1),
    ),
    "occlusion, column": (
        {"occlusion": 0.8},
        red_square,
        lambda x: (x[:, 1] == 255).any(1).float().argmax(1),
    ),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_a_transform_is_drawn_as_torchvision_draws_it(name):
    """Two samples of 1,000 by Kolmogorov and Smirnov; seeds are fixed, so it passes or not."""
    changes, image, statistic = STATISTICS[name]
    config = settings(**changes)
    ours = statistic(samples(config, image(), 1000)).float()
    theirs = statistic(pil_samples(config, image(), 1000, seed=1)).float()
    assert ours.std() > 0
    assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 0.01


def test_the_two_samples_test_sees_a_difference():
    ours = samples(settings(brightness=1.8), colored(), 1000)[:, 1, 0, 0]
    theirs = pil_samples(settings(brightness=2.0), colored(), 1000, seed=1)[:, 1, 0, 0]
    assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue < 0.01


def test_nothing_on_changes_nothing():
    image = noise(5)
    assert torch.equal(Augmentation(settings(), 64, 48)(image, [1]) * 255, image.float())


def test_images_are_a_function_of_their_numbers_alone():
    augmentation, image = Augmentation(AugmentationConfig(), 64, 48), noise(1).expand(4, -1, -1, -1)
    before = torch.get_rng_state()
    first = augmentation(image, [7, 0, 3])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(augmentation(image, [7, 0, 3]), first)
    assert not torch.equal(augmentation(image, [7, 1, 3]), first)
    # One image four times in a batch is changed in four ways.
    assert len({one.numpy().tobytes() for one in first}) == 4
    assert first.dtype == torch.float32
    assert 0 <= first.min() <= first.max() <= 1


def test_a_part_of_a_batch_gets_what_it_gets_within_the_whole():
    augmentation, images = Augmentation(AugmentationConfig(), 32, 24), noise(7, 32, 24)
    whole = augmentation(images, [1, 2])
    parts = [augmentation(images[a:b], [1, 2], batch=7, first=a) for a, b in ((0, 3), (3, 7))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("size", [(384, 128), (5, 3), (1, 1)])
def test_any_size(size):
    got = Augmentation(AugmentationConfig(), *size)(noise(2, *size), [0])
    assert got.shape == (2, 3, *size)


@pytest.mark.parametrize(("width", "pixels_wide"), [(128, 10), (64, 5), (16, 1), (4, 0)])
def test_padding_keeps_its_share_of_the_width(width, pixels_wide):
    assert Augmentation(AugmentationConfig(), 8, width).padding == pixels_wide

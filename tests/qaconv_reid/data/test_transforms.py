from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from qaconv_reid.data import RandomOcclusion, build_test_transform, build_train_transform
from support.images import draw_person

STILL = {"padding": 0, "flip": 0.0, "rotation": 0.0, "occlusion": 0.0}


def grey(value: int, height: int = 48, width: int = 16) -> Image.Image:
    return Image.new("RGB", (width, height), (value,) * 3)


def test_testing_resizes_by_pillow_bicubic_and_scales_to_one():
    image = draw_person(3)
    result = build_test_transform(384, 128)(image)
    wanted = np.asarray(image.resize((128, 384), Image.Resampling.BICUBIC)) / np.float32(255)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), wanted, atol=1e-7)


@pytest.mark.parametrize("size", [(384, 128), (48, 16), (5, 3), (1, 1)])
def test_training_gives_the_size_and_range_whatever_the_size(size):
    transform = build_train_transform(*size)
    for shot in range(5):
        result = transform(draw_person(1, shot=shot))
        assert result.shape == (3, *size)
        assert result.dtype == torch.float32
        assert 0 <= result.min() <= result.max() <= 1


def test_training_is_a_function_of_torchs_generator():
    transform = build_train_transform(48, 16)
    torch.manual_seed(5)
    first = transform(draw_person(1))
    torch.manual_seed(5)
    np.random.seed(0)
    assert torch.equal(transform(draw_person(1)), first)
    assert not torch.equal(transform(draw_person(1)), first)


def test_the_order_is_the_papers():
    steps = [type(step).__name__ for step in build_train_transform(48, 16).transforms]
    assert steps[:7] == [
        *("Resize", "Pad", "RandomCrop", "RandomHorizontalFlip"),
        *("RandomRotation", "ColorJitter", "RandomOcclusion"),
    ]


@pytest.mark.parametrize(("width", "pixels"), [(128, 10), (64, 5), (16, 1), (4, 0)])
def test_padding_keeps_its_share_of_the_width(width, pixels):
    torch.manual_seed(0)
    transform = build_train_transform(3 * width, width, **STILL | {"padding": 10})
    crops = [transform(grey(255, 3 * width, width)).amax(0) == 0 for _ in range(60)]
    # the crop moves by up to `pixels` each way, and black comes in from one side
    left = max(int(crop[3 * width // 2].sum()) for crop in crops)
    top = max(int(crop[:, width // 2].sum()) for crop in crops)
    assert 0 <= left <= pixels
    assert 0 <= top <= pixels
    assert (left > 0) == (pixels > 0)


def test_half_of_the_images_are_flipped():
    torch.manual_seed(0)
    image = grey(0)
    image.paste((255, 255, 255), (0, 0, 4, 48))
    transform = build_train_transform(48, 16, **STILL | {"flip": 0.5})
    flipped = sum(bool(transform(image)[:, :, -1].mean() > 0.2) for _ in range(400))
    assert 160 < flipped < 240


def test_colour_factors_reach_their_bounds_and_no_further():
    # On a grey image contrast, saturation and hue change nothing: what is left is brightness.
    torch.manual_seed(0)
    transform = build_train_transform(4, 4, **STILL)
    factors = [float(transform(grey(100, 4, 4)).mean()) * 255 / 100 for _ in range(400)]
    assert 0.48 <= min(factors) < 0.53
    assert 1.95 < max(factors) <= 2.01


def test_rotation_is_small_and_has_both_signs():
    torch.manual_seed(0)
    image = grey(0, 101, 101)
    image.paste((255, 255, 255), (0, 50, 101, 51))
    transform = build_train_transform(101, 101, **STILL | {"rotation": 5.0})
    rises = []
    for _ in range(100):
        line = transform(image).mean(0)
        rises.append(int(line[:, 5].argmax()) - int(line[:, 95].argmax()))
    largest = 90 * np.tan(np.radians(5.0)) + 1
    assert -largest <= min(rises) < -5
    assert 5 < max(rises) <= largest


def square(image: Image.Image) -> tuple[int, int, int]:
    """Side, left and top of the one white square on a black image."""
    white = np.asarray(image)[..., 0] == 255
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    if len(rows) == 0:
        return 0, 0, 0
    assert len(rows) == len(columns)
    assert white[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return len(rows), int(columns[0]), int(rows[0])


def test_occlusion_sides_are_uniform_below_their_bound():
    torch.manual_seed(0)
    black = grey(0, 30, 10)
    sides = Counter(square(RandomOcclusion(0.8)(black))[0] for _ in range(1600))
    assert set(sides) == set(range(8))
    assert all(140 < count < 260 for count in sides.values())


def test_occlusion_squares_reach_every_edge_and_stay_inside():
    torch.manual_seed(0)
    found = [square(RandomOcclusion(0.8)(grey(0, 30, 10))) for _ in range(1600)]
    found = [item for item in found if item[0]]
    assert min(left for _, left, _ in found) == 0
    assert min(top for _, _, top in found) == 0
    assert max(side + left for side, left, _ in found) == 10
    assert max(side + top for side, _, top in found) == 30


def test_occlusion_leaves_its_argument_as_it_was():
    torch.manual_seed(0)
    black = grey(0)
    assert all(RandomOcclusion(0.8)(black) is not black for _ in range(20))
    assert not np.asarray(black).any()


def test_no_occlusion():
    assert square(RandomOcclusion(0.0)(grey(0)))[0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_test_transform(0, 8), "height: got 0"),
        (lambda: build_train_transform(8, -1), "width: got -1"),
        (lambda: build_train_transform(8, 8, padding=-1), "padding: got -1"),
        (lambda: build_train_transform(8, 8, occlusion=1.5), "largest: got 1.5"),
    ],
)
def test_arguments_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""What the histogram of colors sees of an image, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from qaconv_reid.data import Record
from qaconv_reid.evaluation import ColorHistogram, Images


@pytest.fixture
def histogram(tmp_path):
    def of(pixels):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        Image.fromarray(pixels).save(path)
        return ColorHistogram().vectors(Images([Record(path, person=1)]))[0].reshape(6, 3, 16)

    return of


def dressed(top, bottom, ground=(90, 90, 90)):
    pixels = np.empty((128, 64, 3), np.uint8)
    pixels[:] = ground
    pixels[:64, 12:52], pixels[64:, 12:52] = top, bottom
    return pixels


def test_every_stripe_and_channel_sums_to_one(histogram):
    noise = np.random.default_rng(0).integers(0, 256, (100, 40, 3), np.uint8)
    torch.testing.assert_close(histogram(noise).sum(2), torch.ones(6, 3))


def test_colors_fall_into_the_bins_of_their_stripe(histogram):
    counts = histogram(dressed((255, 0, 0), (0, 0, 255)))
    # Hue goes round in 256 steps: red at 0, blue at two thirds.
    assert counts[0, 0, 0] == counts[1, 0, 0] == 1
    assert counts[4, 0, 10] == counts[5, 0, 10] == 1
    assert (counts[:, 1:, 15] == 1).all()


def test_what_lies_at_the_sides_does_not_count(histogram):
    one, other = (
        histogram(dressed((200, 30, 90), (20, 60, 90), g)) for g in ((0, 99, 0), (9, 9, 9))
    )
    torch.testing.assert_close(one, other)
    assert (histogram(dressed((200, 30, 90), (90, 60, 20))) - one).abs().sum() > 1

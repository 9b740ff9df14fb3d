from __future__ import annotations

import pytest
import torch

from qaconv_reid.models import stripes


def test_means_of_rows_of_unit_length():
    maps = torch.rand(3, 5, 8, 4)
    means = maps.reshape(3, 5, 4, 2, 4).mean(dim=(3, 4))  # four stripes of two rows
    wanted = means.permute(0, 2, 1).flatten(1)
    wanted = wanted / wanted.norm(dim=1, keepdim=True)
    torch.testing.assert_close(stripes(maps, 4), wanted)
    assert stripes(maps).shape == (3, 40)


def test_types():
    maps = torch.rand(2, 3, 8, 4)
    assert stripes(maps.half()).dtype == torch.float32
    assert stripes(maps.double()).dtype == torch.float64
    assert stripes(maps[:0]).shape == (0, 24)
    assert stripes(torch.zeros(1, 3, 8, 4)).eq(0).all()


@pytest.mark.parametrize(
    ("maps", "count", "said"),
    [
        (torch.rand(2, 3, 8), 8, "maps: got torch.float32 of shape"),
        (torch.zeros(2, 3, 8, 4, dtype=torch.uint8), 8, "maps: got torch.uint8"),
        (torch.rand(2, 3, 4, 2), 8, "count: got 8, wanted 1 to 4"),
        (torch.rand(2, 3, 4, 2), 0, "count: got 0"),
    ],
)
def test_what_does_not_fit_is_named(maps, count, said):
    with pytest.raises(ValueError, match=said):
        stripes(maps, count)

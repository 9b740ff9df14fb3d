"""Bad arguments get one sentence that names the argument, what it got and what it wants."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qaconv_ext.qaconv import correlation_max, correlation_max_self, match_scores, pairwise_distance

MAPS = torch.zeros(2, 3, 4)
WEIGHT = torch.zeros(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: correlation_max_self(np.zeros((2, 3, 4))),
            TypeError,
            "features: got ndarray, wanted a t",
        ),
        (
            lambda: correlation_max_self(MAPS.long()),
            TypeError,
            "features: got dtype torch.int64, wanted",
        ),
        (
            lambda: correlation_max_self(MAPS[0]),
            ValueError,
            r"features: got shape \[3, 4\], wanted \[N, C",
        ),
        (
            lambda: correlation_max_self(torch.zeros(2, 0, 4)),
            ValueError,
            "at least one channel and one",
        ),
        (
            lambda: correlation_max_self(torch.zeros(2, 3, 0)),
            ValueError,
            "at least one channel and one",
        ),
        (lambda: correlation_max_self(torch.zeros(1, 1, 32768)), ValueError, "at most 32767"),
        (lambda: correlation_max(MAPS, 3), TypeError, "gallery: got int"),
        (lambda: correlation_max(MAPS, MAPS[:, 1:]), ValueError, "gallery: got 2 channels"),
        (
            lambda: correlation_max(MAPS, MAPS.double()),
            TypeError,
            "gallery: got dtype torch",
        ),
        (lambda: correlation_max(MAPS, MAPS.to("meta")), ValueError, "gallery: got device meta"),
        (
            lambda: match_scores(MAPS, MAPS, WEIGHT[1:]),
            ValueError,
            r"^weight: got shape \[3\], wanted 4 numbers",
        ),
        (lambda: match_scores(MAPS, MAPS, [1.0] * 4), TypeError, "weight: got list"),
        (lambda: match_scores(MAPS, MAPS, WEIGHT.long()), TypeError, "weight: got dtype torch.in"),
        (lambda: match_scores(MAPS, MAPS, WEIGHT, WEIGHT), ValueError, "bias: got shape"),
        (
            lambda: match_scores(MAPS, MAPS, WEIGHT.to("meta")),
            ValueError,
            "weight: got device",
        ),
        (
            lambda: match_scores(MAPS, torch.zeros(2, 3, 5), WEIGHT),
            ValueError,
            "gallery_weight: got None, wanted 5 numbers",
        ),
        (lambda: pairwise_distance(MAPS, WEIGHT[1:]), ValueError, "weight: got shape"),
        (lambda: pairwise_distance(MAPS.int(), WEIGHT), TypeError, "features: got dtype"),
    ],
)
def test_message(call, error, message):
    with pytest.raises(error, match=message):
        call()

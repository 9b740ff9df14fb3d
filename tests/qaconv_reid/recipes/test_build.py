"""From settings to the objects a recipe works with."""

import pytest
import torch

from qaconv_reid.build import Hardware, extraction
from qaconv_reid.config import load


@pytest.mark.parametrize(
    ("maps", "autocast", "kept"),
    [
        ("auto", None, torch.float32),
        ("auto", torch.bfloat16, torch.float16),
        ("float16", None, torch.float16),
        ("float32", torch.float16, torch.float32),
    ],
)
def test_the_type_of_an_evaluations_maps(maps, autocast, kept):
    config = load("tiny", [f"evaluation.maps={maps}"])
    assert extraction(config, Hardware(torch.device("cpu"), autocast))["dtype"] == kept

"""From settings to the objects a recipe works with."""

import pytest
import torch

from qaconv_reid.build import Hardware, build_models, extraction, find_hardware
from qaconv_reid.config import ConfigError, RuntimeConfig, load


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


@pytest.mark.parametrize(("height", "width"), [(4096, 4096), (8192, 8192)])
def test_a_map_of_more_places_than_positions_hold_is_refused(height, width):
    config = load("tiny", [f"model.height={height}", f"model.width={width}"])
    with pytest.raises(ConfigError, match=r"model\.height, model\.width: got .* at most 32,767"):
        build_models(config, torch.device("cpu"), pretrained=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ConfigError) as caught:
        find_hardware(RuntimeConfig(device="cuda:7"))
    assert str(caught.value) == (
        "runtime.device: got 'cuda:7', wanted one of this machine: torch finds no GPU here"
    )

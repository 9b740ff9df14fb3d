"""A step on a GPU: it never waits for it. Skipped where there is none."""

from __future__ import annotations

import itertools

import pytest
import torch

from qaconv_reid.data import ImageDataset, open_source
from qaconv_reid.training import Trainer
from support.runs import HEIGHT, WIDTH, small_config, small_images, small_models

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("cache", ["device", "memory"])
@pytest.mark.parametrize("loss", ["triplet", "pairwise", "softmax+triplet"])
@pytest.mark.parametrize("autocast", [None, torch.float16, torch.bfloat16])
def test_no_step_waits_for_the_device(tmp_path, cache, loss, autocast):
    device = torch.device("cuda")
    images = small_images(tmp_path)
    config = small_config(f"loss.kind={loss}", "sampler.kind=pk", f"data.cache={cache}")
    source = open_source(ImageDataset(images.records, HEIGHT, WIDTH), cache, device=device)
    network, matcher = (module.to(device) for module in small_models())
    trainer = Trainer(network, matcher, images, source, config, device=device, autocast=autocast)
    asked = itertools.count(1)
    list(trainer.epochs(lambda: next(asked) >= 3))  # kernels are loaded, tables are made
    try:
        torch.cuda.set_sync_debug_mode("error")
        trainer._train_on_batch()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.state_dict()["position"] == 4


def test_a_step_replayed_from_cuda_graphs_learns_alike(tmp_path):
    device = torch.device("cuda")
    images = small_images(tmp_path)

    def losses(mode):
        config = small_config("sampler.kind=pk", f"runtime.compile={mode}")
        source = open_source(ImageDataset(images.records, HEIGHT, WIDTH), "device", device=device)
        network, matcher = (module.to(device) for module in small_models())
        trainer = Trainer(network, matcher, images, source, config, device=device)
        return [report.loss for report in trainer.epochs()]

    assert losses("reduce-overhead") == pytest.approx(losses("off"), rel=1e-3)


def test_a_run_on_a_gpu_is_resumed(tmp_path):
    device = torch.device("cuda")
    images = small_images(tmp_path)
    config = small_config()

    def trainer():
        source = open_source(ImageDataset(images.records, HEIGHT, WIDTH), "device", device=device)
        network, matcher = (module.to(device) for module in small_models())
        return Trainer(network, matcher, images, source, config, device=device)

    whole = trainer()
    losses = [report.loss for report in whole.epochs()]
    first = trainer()
    asked = itertools.count(1)
    got = [report.loss for report in first.epochs(lambda: next(asked) >= 8)]
    second = trainer()
    second.load_state_dict(first.state_dict())
    got += [report.loss for report in second.epochs()]
    # As far as the convolutions of the device are deterministic.
    assert got == pytest.approx(losses, rel=1e-3)

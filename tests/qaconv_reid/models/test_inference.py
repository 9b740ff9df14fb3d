import pytest
import torch
from torch import nn

from qaconv_reid.models import evaluation_mode, extract_maps

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Dropout(0.5))


def batches(images, order, size):
    return [(images[part], part) for part in order.split(size)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_maps_come_in_the_order_of_the_indices(dtype, device):
    net, images = network(), torch.rand(7, 3, 5, 4)
    steps = []
    maps = extract_maps(
        net.to(device),
        batches(images, torch.randperm(7), 3),
        7,
        device=device,
        dtype=dtype,
        progress=lambda *step: steps.append(step),
        what="maps",
    )
    assert maps.dtype == dtype
    assert not maps.requires_grad
    assert net.training
    assert maps.device.type == "cpu"
    torch.testing.assert_close(maps, net.cpu().eval()(images).to(dtype).detach())
    assert steps == [("maps", 3, 7), ("maps", 6, 7), ("maps", 7, 7)]


def test_autocast_runs_the_network_in_that_type():
    net, images, seen = network(), torch.rand(2, 3, 5, 4), []
    net[0].register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    maps = extract_maps(net, batches(images, torch.arange(2), 2), 2, autocast=torch.bfloat16)
    assert seen == [torch.bfloat16]
    assert maps.dtype == torch.float32


@pytest.mark.parametrize("indices", [[0, 1], [0, 1, 1], [0, 1, 2, 2], []])
def test_images_that_do_not_come_once_each_are_an_error(indices):
    images = torch.rand(3, 3, 5, 4)
    loader = batches(images, torch.tensor(indices, dtype=torch.int64), 2) if indices else []
    with pytest.raises(
        ValueError, match=f"batches: got {len(indices)} images, wanted each of 3 once"
    ):
        extract_maps(network(), loader, 3)


def test_evaluation_mode_restores_every_parts_own_mode():
    net = network()
    net[0].eval()
    with evaluation_mode(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net.modules()] == [True, False, True]


def test_evaluation_mode_restores_after_an_error():
    net = network()

    def fails():
        with evaluation_mode(net):
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert net.training

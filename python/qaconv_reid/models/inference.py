"""Running a network over many images, without a gradient and without side effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Progress", "as_floats", "evaluation_mode", "extract_maps"]

Progress = Callable[[str, int, int], None]
"""Told of steps: what is being done, how much of it is done, of how much."""


@contextmanager
def evaluation_mode(*modules: nn.Module) -> Iterator[None]:
    """Put modules in evaluation mode; every submodule's own mode is restored afterwards."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def as_floats(images: Tensor) -> Tensor:
    """Images as a network takes them: of uint8 the 255ths, any other type as it is.

    No mean is subtracted and no deviation divided by, in training or in testing.
    """
    return images.float() / 255 if images.dtype == torch.uint8 else images


def extract_maps(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    count: int,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    store: str | torch.device = "cpu",
    autocast: torch.dtype | None = None,
    into: Tensor | None = None,
    progress: Progress | None = None,
    what: str = "features",
) -> Tensor:
    """The feature maps of all images of a loader, in evaluation mode and without a gradient.

    Args:
        network: ``[B, 3, H, W]`` to ``[B, C, h, w]``, on ``device``.
        batches: pairs of images ``[B, 3, H, W]``, uint8 or floating in [0, 1], and their indices
            ``[B]``, which together are 0 to ``count - 1``, each once, in any order.
        count: number of images, at least 1.
        device: where the network runs.
        dtype: type of the result; float16 halves its size.
        store: where the result is kept.
        autocast: type to run the network in (``torch.float16``, ``torch.bfloat16``), None for the
            weights' own.
        into: ``[count, C, h, w]`` of ``dtype`` on ``store``, to be filled and returned; None makes
            a new one.
        progress: told after every batch.
        what: the name that ``progress`` is given.

    Returns:
        ``[count, C, h, w]`` of ``dtype``; row i is the map of the image with index i.

    Raises:
        ValueError: ``batches`` did not give each of ``count`` images once.
    """
    device = torch.device(device)
    done, maps = 0, None
    seen = torch.zeros(count, dtype=torch.bool)
    casting = torch.autocast(device.type, dtype=autocast, enabled=autocast is not None)
    with evaluation_mode(network), torch.no_grad(), casting:
        for images, index in batches:
            block = network(as_floats(images.to(device, non_blocking=True)))
            if maps is None:
                shape = (count, *block.shape[1:])
                maps = torch.empty(shape, dtype=dtype, device=store) if into is None else into
                if maps.shape != shape:
                    raise ValueError(f"into: got shape {list(maps.shape)}, wanted {list(shape)}")
            maps[index.to(store)] = block.to(device=store, dtype=dtype)
            seen[index] = True
            done += len(index)
            if progress is not None:
                progress(what, done, count)
    if maps is None or done != count or not bool(seen.all()):
        raise ValueError(f"batches: got {done} images, wanted each of {count} once")
    return maps

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qaconv_ext import _arguments, _checks
from qaconv_ext.graph.class_batch_sampler import ClassBatchSampler

#: From one image number per class, in class order, to the class numbers of each class's nearest
#: others, ``[classes, P - 1]``.
Neighbors: TypeAlias = Callable[
    [Sequence[int]], Tensor | npt.NDArray[np.integer] | Sequence[Sequence[int]]
]


def class_numbers(result: object) -> Tensor:
    """What ``neighbors`` gave as a tensor of whole numbers on the CPU, of whatever shape.

    Raises:
        TypeError: it is something else.
    """
    try:
        numbers = torch.as_tensor(result)
    except (TypeError, ValueError, RuntimeError):  # None, rows of unequal length, no numbers
        numbers = None
    if numbers is None or numbers.is_meta:
        raise TypeError(
            f"neighbors: got {_checks.shown(result)}, wanted class numbers [classes, P - 1]"
        )
    _arguments.tensor("neighbors", numbers)
    whole = not (numbers.is_floating_point() or numbers.is_complex())
    if numbers.numel() and not (whole and numbers.dtype != torch.bool):
        raise TypeError(f"neighbors: got dtype {numbers.dtype}, wanted whole numbers")
    return numbers.cpu()


class GraphSampler(ClassBatchSampler):
    """Each class once as anchor: a batch is the anchor and its P - 1 nearest, K images each.

    At the start of an epoch one random image of each class goes to ``neighbors``, which returns the
    nearest classes of each class, by the model as it is now. The batches are then shuffled. An
    epoch has as many batches as there are classes. The sampler knows no model: any embedding or
    matcher serves, for example, with ``maps`` a function from image numbers to feature maps::

        def neighbors(images):
            return nearest_classes(class_distances(maps(images), matcher), batch_size // 2 - 1)

        sampler = GraphSampler(labels, neighbors, batch_size, num_instances=2)

    Under a distributed run every rank must get the same graph: `one_graph` sees to it. Epochs,
    ranks and resuming: see `ClassBatchSampler`; a resumed epoch does not call ``neighbors``.

    Source: Liao & Shao, CVPR 2022 (arXiv 2104.01546), section 4.2; 64 images and K = 2 there.

    Args:
        labels: one whole number per image of the data set, of any value and order.
        neighbors: called once an epoch with one image number per class, in the order of
            ``classes``; returns ``[classes, M]`` class numbers (places in ``classes``), in each row
            all different and not the class itself. Tensor, array or lists. M is as many as a batch
            takes of them, P - 1 - ``strangers``, or more: then they are drawn from the M.
        batch_size: images in a batch, on each rank; a multiple of ``num_instances``.
        num_instances: images of each class in a batch (K).
        seed: of all random choices.
        strangers: classes of a batch that are drawn from all others at random.
        groups, cameras: see `ClassBatchSampler`.
        rank: of this process.
        world_size: number of processes.

    Raises:
        TypeError, ValueError: as `ClassBatchSampler`; in the iteration, ``neighbors`` gave
            something else than described.
    """

    def __init__(
        self,
        labels: Iterable[int],
        neighbors: Neighbors,
        batch_size: int,
        num_instances: int,
        seed: int = 0,
        *,
        strangers: int = 0,
        groups: Iterable[int] | None = None,
        cameras: Iterable[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(
            labels,
            batch_size,
            num_instances,
            seed,
            groups=groups,
            cameras=cameras,
            rank=rank,
            world_size=world_size,
        )
        _checks.function("neighbors", neighbors, "a function of image numbers")
        strangers = _checks.whole_number("strangers", strangers, 0, self.classes_per_batch - 1)
        self._neighbors = neighbors
        self._strangers = strangers
        self._arguments["strangers"] = strangers

    @property
    def _drawn_together(self) -> int:
        return 1  # the anchor

    def _batches_in_all(self) -> int:
        return len(self.classes)

    def _classes_of_batches(self, rng: random.Random) -> list[list[int]]:
        images = [rng.choice(numbers) for numbers in self._images]
        graph = self._checked(self._neighbors(images))
        anchors = rng.sample(range(len(self.classes)), len(self.classes))
        if self._balance is not None:
            anchors = [anchor for (anchor,) in self._balance.batches(len(self.classes), rng)]
        return [self._completed(anchor, graph[anchor], rng) for anchor in anchors]

    def _completed(self, anchor: int, near: list[int], rng: random.Random) -> list[int]:
        """The anchor, its neighbors or as many of them as are wanted, and strangers."""
        wanted = self.classes_per_batch - 1 - self._strangers
        # No draw where there is no choice: an epoch is then that of the paper's sampler.
        batch = [anchor, *(near if len(near) == wanted else rng.sample(near, wanted))]
        while len(batch) < self.classes_per_batch:
            stranger = rng.randrange(len(self.classes))
            if stranger not in batch:
                batch.append(stranger)
        return batch

    def _checked(self, result: object) -> list[list[int]]:
        graph = class_numbers(result)
        number = len(self.classes)
        wanted = self.classes_per_batch - 1 - self._strangers
        if graph.dim() != 2 or len(graph) != number or graph.shape[1] < wanted:
            raise ValueError(
                f"neighbors: got shape {list(graph.shape)}, wanted [{number}, {wanted}] or wider: "
                f"for each class the {wanted} others of its batch"
            )
        if graph.shape[1] == 0:
            return [[] for _ in range(number)]
        if graph.min() < 0 or graph.max() >= number:
            raise ValueError(
                f"neighbors: got class numbers {int(graph.min())}..{int(graph.max())}, wanted "
                f"0..{number - 1}"
            )
        with_itself = torch.cat((torch.arange(number)[:, None], graph.long()), dim=1)
        ordered = with_itself.sort(dim=1).values
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(dim=1)
        if twice.any():
            c = int(twice.nonzero()[0])
            raise ValueError(
                f"neighbors: got {graph[c].tolist()} for class number {c}, wanted different "
                "numbers, and not the class itself"
            )
        rows: list[list[int]] = graph.tolist()
        return rows

"""The class memory: the newest feature map of every identity, and the loss against all of them.

Source: Liao & Shao, ECCV 2020 (arXiv 1904.10424), section 3.3; the competitive baseline of their
CVPR 2022 paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from qaconv_ext import _arguments, _checks
from qaconv_ext.losses._reduction import LossResult, Reduction, checked, reduced
from qaconv_ext.losses._rows import check_rows, finite_rows


class ClassMemory(nn.Module):
    """One feature map per class, replaced by the newest, in buffers that the state_dict holds.

    A training step matches first and stores after: ``scores, classes = memory(maps, matcher)``,
    then the loss, then ``memory.update(maps, labels)``. Gradients reach the batch and the matcher,
    never the memory.

    Args:
        num_classes: identities of the training set.
        num_features: channels of the maps.
        height: rows of the maps.
        width: columns of the maps.
        mem_batch_size: classes matched in one call of the matcher; fewer take less memory.
        device: of the stored maps; None for torch's default.
        dtype: of the stored maps, floating; None for torch's default.

    Raises:
        TypeError, ValueError: an argument is not one of the above.
    """

    maps: Tensor
    """``[num_classes, num_features, height, width]`` floating."""
    valid: Tensor
    """``[num_classes]`` boolean: the class has been seen."""

    def __init__(
        self,
        num_classes: int,
        num_features: int,
        height: int,
        width: int,
        mem_batch_size: int = 16,
        *,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        shape = {
            "num_classes": num_classes,
            "num_features": num_features,
            "height": height,
            "width": width,
        }
        sizes = [_checks.whole_number(name, value, 1) for name, value in shape.items()]
        self.mem_batch_size = _checks.whole_number("mem_batch_size", mem_batch_size, 1)
        factory = _arguments.factory(device, dtype)
        self.register_buffer("maps", torch.zeros(sizes, **factory))
        seen = torch.zeros(sizes[0], dtype=torch.bool, device=factory["device"])
        self.register_buffer("valid", seen)
        #: Whether all classes are known to have been seen: which ones have is asked of the device,
        #: which waits, and only until then.
        self._complete = False

    def forward(
        self, maps: Tensor, matcher: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Scores of the batch against every class seen so far.

        Args:
            maps: ``[B, num_features, height, width]`` floating.
            matcher: two sets of maps to scores ``[B, classes]``, as `QAConv`. In training mode its
                batch norms take their statistics per chunk of ``mem_batch_size`` classes.

        Returns:
            ``scores [B, V]``, and ``classes [V]`` int64, the class of each column, ascending.
            Before the first `update` V is 0, and the scores still carry a graph.

        Raises:
            ValueError: the maps have another shape than those of the memory.
        """
        self._check_shape(maps)
        _checks.function("matcher", matcher, "a function of two sets of maps")
        if self._complete:
            classes = torch.arange(len(self.valid), device=self.valid.device)
        else:
            classes = self.valid.nonzero().squeeze(1)  # [V]
            self._complete = len(classes) == len(self.valid)
        if len(classes) == 0:
            return maps.flatten(1)[:, :0], classes
        chunks = [
            self._scores(matcher, maps, chunk)
            for chunk in torch.split(classes, self.mem_batch_size)
        ]
        return torch.cat(chunks, dim=1), classes

    def _scores(
        self, matcher: Callable[[Tensor, Tensor], Tensor], maps: Tensor, chunk: Tensor
    ) -> Tensor:
        # Indexing copies: the graph stays right when update() writes before the backward pass.
        stored = self.maps[chunk].to(maps.dtype)
        return _arguments.scores("matcher", matcher(maps, stored), None, len(chunk))

    @torch.no_grad()
    def update(self, maps: Tensor, labels: Tensor) -> None:
        """Store each class's newest map: of several in the batch, the last.

        Args:
            maps: ``[B, num_features, height, width]`` floating.
            labels: ``[B]`` whole numbers in 0 .. num_classes - 1.

        Raises:
            TypeError, ValueError: an argument's type, shape or range is not one of the above. On
                CUDA the range is not checked here, for a look at it would wait for the device.
        """
        self._check_shape(maps)
        check_rows("maps", maps, labels)
        labels = labels.long()
        if labels.device.type == "cpu":
            outside = labels[(labels < 0) | (labels >= len(self.valid))].tolist()
            if outside:
                raise ValueError(
                    f"labels: got {outside[0]}, wanted class numbers in 0..{len(self.valid) - 1}"
                )
        positions = torch.arange(len(labels), device=labels.device)
        last = torch.zeros(len(self.valid), dtype=torch.long, device=labels.device)
        last.scatter_reduce_(0, labels, positions, "amax")
        # Repeated labels all write the same map, so the order of the writes does not matter.
        self.maps[labels] = maps[last[labels]].to(self.maps.dtype)
        self.valid[labels] = True

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        # Fewer classes may have been seen there.
        self._complete = False
        super()._load_from_state_dict(*arguments, **named)

    def _check_shape(self, maps: Tensor) -> None:
        _arguments.maps_of_size("maps", maps, self.maps.shape[1:], "the memory was made for")
        _arguments.same_device("maps", maps, self.maps, "as the memory")


class ClassMemoryLoss(nn.Module):
    """Focal binary cross entropy of each item against every class of the memory.

    ``Σ_c |y_c - σ(s_c)|² · BCE(s_c, y_c)`` with ``y_c`` 1 for the item's own class and 0 for the
    others, gradient through both factors. A row is right when its own class scores above all
    others. A row whose own class is not in the memory yet is valid: its loss is that of the other
    classes, it is not right, and its gap is 0. Rows without another class in the memory, and rows
    with a non-finite score, are not valid: they give neither loss nor gradient, and the mean is
    over the valid ones.

    Source: Liao & Shao, ECCV 2020 (arXiv 1904.10424), section 3.3; the focal weight of Lin et al.,
    *Focal Loss for Dense Object Detection* (arXiv 1708.02002), with γ = 2.

    Args:
        reduction: ``"mean"`` or ``"sum"`` of the losses of the valid rows; ``"none"``: ``[B]``,
            with 0 for every other row.

    Raises:
        ValueError: the reduction is none of these.
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = checked(reduction)

    def forward(self, scores: Tensor, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        """The loss of a batch against the memory.

        Args:
            scores: ``[B, V]`` floating, higher for more alike. The loss is computed in float32
                (float64 for float64), under autocast too.
            labels: ``[B]`` whole numbers, the identities.
            classes: ``[V]`` whole numbers, all different: the identity of each column, as
                `ClassMemory` gives them; None where column c is class c.

        Returns:
            A scalar, or ``[B]`` with ``reduction="none"``; float32 (float64 for float64 scores).
            Where no row is valid it is 0, with a graph and zero gradients.

        Raises:
            TypeError, ValueError: an argument's type or shape is not one of the above.
        """
        return self.detailed(scores, labels, classes).loss

    def detailed(self, scores: Tensor, labels: Tensor, classes: Tensor | None = None) -> LossResult:
        """The loss that a call returns, with accuracy, gap and numbers of rows, for logs.

        Arguments and errors are those of `forward`.
        """
        check_rows("scores", scores, labels)
        if scores.dim() != 2:
            raise ValueError(f"scores: got shape {list(scores.shape)}, wanted [B, classes]")
        if classes is None:
            classes = torch.arange(scores.shape[1], device=scores.device)
        _arguments.tensor("classes", classes)
        if tuple(classes.shape) != tuple(scores.shape[1:]):
            raise ValueError(
                f"classes: got shape {list(classes.shape)}, wanted [{scores.shape[1]}] as scores "
                "has columns"
            )
        own = labels[:, None] == classes[None, :]  # [B, V]
        stored, paired = own.any(dim=1), (~own).any(dim=1)  # [B], [B]
        scores, finite = finite_rows(scores)
        target = own.to(scores.dtype)
        focus = (target - scores.sigmoid()).square()
        entropy = functional.binary_cross_entropy_with_logits(scores, target, reduction="none")
        own_score = torch.where(own, scores, 0).sum(dim=1)  # [B]
        gap = own_score - _largest(scores.masked_fill(own, -math.inf))
        gap = torch.where(stored, gap, 0.0)
        loss = (focus * entropy).sum(dim=1)  # [B]
        return reduced(loss, gap > 0, gap, paired, finite, self.reduction)


def _largest(rows: Tensor) -> Tensor:
    """The greatest number of each row, -inf for a row of none, which ``amax`` refuses."""
    return functional.pad(rows.detach(), (0, 1), value=-math.inf).amax(dim=1)

"""What all losses do with their input: check it, and replace the rows that cannot be used.

A row is one item of the batch with all its scores. Nothing here waits for the device: rows with a
NaN or an infinity are replaced by zeros *before* any arithmetic, and `_reduction` leaves them out
after it. Multiplying by a mask would not do, for 0 · NaN is NaN, in the loss and in the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qaconv_ext import _arguments
from qaconv_ext.reference import compute_dtype


def check_labels(labels: Tensor) -> None:
    """That ``labels`` are whole numbers.

    Raises:
        TypeError: they are not.
    """
    _arguments.tensor("labels", labels)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels: got dtype {labels.dtype}, wanted whole numbers")


def check_rows(name: str, rows: Tensor, labels: Tensor) -> None:
    """That ``labels [B]`` are whole numbers, one for each of the B rows, on the same device.

    Raises:
        TypeError, ValueError: they are not, or ``rows`` is not floating.
    """
    _arguments.floating(name, rows)
    check_labels(labels)
    if rows.dim() == 0:
        raise ValueError(f"{name}: got shape [], wanted a row for each label")
    if tuple(labels.shape) != tuple(rows.shape[:1]):
        raise ValueError(
            f"labels: got shape {list(labels.shape)}, wanted [{rows.shape[0]}] as {name} has rows"
        )
    _arguments.same_device("labels", labels, rows, f"as {name}")


def check_square(scores: Tensor, labels: Tensor) -> None:
    """That ``scores`` is ``[B, B]`` floating and ``labels [B]`` fit it.

    Raises:
        TypeError, ValueError: they do not.
    """
    _arguments.floating("scores", scores)
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores: got shape {list(scores.shape)}, wanted [B, B]")
    check_rows("scores", scores, labels)


def finite_rows(values: Tensor, used: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The values to calculate with, and which rows of them are real.

    Args:
        values: ``[B, ...]`` floating.
        used: boolean, of a shape that broadcasts to ``values``: what the loss looks at; None for
            everything. What it does not look at cannot spoil a row.

    Returns:
        The values in float32 (float64 for float64) with 0 in place of rows that hold a NaN or an
        infinity and of what is not used, no gradient flowing there; and ``finite [B]``, boolean.
    """
    good = values.isfinite()
    if used is not None:
        good = good | ~used
    finite = good.flatten(1).all(dim=1)  # [B]
    keep = finite.reshape(-1, *[1] * (values.dim() - 1))
    if used is not None:
        keep = keep & used
    values = values.to(compute_dtype(values.dtype))
    return torch.where(keep, values, torch.zeros_like(values)), finite

"""The head of the matcher as one affine map, worked out once for as long as its numbers stay."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Fold = tuple[Tensor, Tensor]
#: What a tensor was when the fold was made: itself, its version, its memory.
_Seen = tuple[Tensor, int, int]


class FoldCache:
    """Keeps the last fold, which takes some thirty launches of one number each on a GPU.

    A tensor that was changed in place, replaced or moved is another: torch counts changes in place,
    as optimizers and ``load_state_dict`` make them. What is changed behind torch's back (through
    ``.data``) is not seen, as autograd does not see it. Nothing is kept where a gradient may be
    wanted, or where torch counts no changes (inference mode).
    """

    def __init__(self) -> None:
        # Replaced as a whole: threads that share it (replicas of a module) cannot mix theirs.
        self._last: tuple[list[_Seen], dict[torch.dtype, Fold]] = [], {}

    def get(self, tensors: list[Tensor], dtype: torch.dtype, fold: Callable[[], Fold]) -> Fold:
        """``fold()`` in ``dtype``, or what it was when the tensors were as they are."""
        wants_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        if wants_gradient or any(t.is_inference() for t in tensors):
            return fold()
        now = [(t, t._version, t.data_ptr()) for t in tensors]
        seen, folds = self._last
        if not _same(seen, now):
            folds = {}
        if dtype not in folds:
            weight, bias = (part.detach().to(dtype) for part in fold())
            if weight.is_inference():
                return weight, bias
            folds[dtype] = weight, bias
        self._last = now, folds
        return folds[dtype]

    def __getstate__(self) -> dict[str, object]:
        """A copy, a pickle too, begins anew."""
        return {"_last": ([], {})}


def _same(seen: list[_Seen], now: list[_Seen]) -> bool:
    return len(seen) == len(now) and all(
        old[0] is new[0] and old[1:] == new[1:] for old, new in zip(seen, now, strict=True)
    )

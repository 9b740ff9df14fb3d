"""The head of the matcher as one affine map, worked out once for as long as its numbers stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Fold = tuple[Tensor, Tensor]
#: What tells one state of some tensors from another, beside which tensors they are.
_State = tuple[object, ...]


class _Kept(NamedTuple):
    """A fold, and the state of what it was made of."""

    tensors: list[Tensor]
    memory: list[torch.UntypedStorage]
    """Held, so that nothing else can come to lie at the same address."""
    state: _State
    fold: Fold


class FoldCache:
    """Keeps the last fold, which takes some thirty launches of one number each on a GPU.

    A tensor that was changed in place, replaced or moved is another: torch counts changes in place,
    as optimizers and ``load_state_dict`` make them. What is changed behind torch's back (through
    ``.data`` or NumPy, by another process, by a CUDA graph that is replayed) is not seen until
    `forget`. Nothing is kept where a gradient may be wanted, nor where torch does not tell whether
    a tensor has changed.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begins anew."""
        # Replaced as a whole: threads that share it (replicas of a module) cannot mix theirs.
        self._last: _Kept | None = None
        self._may_keep = True

    def get(
        self, tensors: list[Tensor], dtype: torch.dtype, fold: Callable[[], Fold], *others: object
    ) -> Fold:
        """``fold()`` in ``dtype``, or what it was when the tensors and the others were the same."""
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            # An optimizer's step may follow, and fused ones change parameters uncounted.
            self._last, self._may_keep = None, False
        state = _state_of(tensors, dtype, *others)
        if state is None or not self._may_keep:
            return fold()
        last = self._last
        if last is None or last.state != state or not _same(last.tensors, tensors):
            # What is made in inference mode cannot serve where maps want a gradient.
            with torch.inference_mode(False), torch.no_grad():
                weight, bias = (part.to(dtype) for part in fold())
            if type(weight) is not Tensor or type(bias) is not Tensor:  # a mode that wraps
                return weight, bias
            memory = [tensor.untyped_storage() for tensor in tensors]
            last = self._last = _Kept(tensors, memory, state, (weight, bias))
        return last.fold

    def __getstate__(self) -> dict[str, object]:
        """A copy, a pickle too, begins anew."""
        return {"_last": None, "_may_keep": True}


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _state_of(tensors: list[Tensor], *others: object) -> _State | None:
    """None where torch does not tell of changes: of what inference mode, a mode or a class wraps.

    What is computed on one stream need not be there on another. What a CUDA graph captures has to
    be in the graph: it is not computed yet, and it must follow the tensors when it is replayed.
    """
    if not all(type(tensor) in (Tensor, nn.Parameter) for tensor in tensors):
        return None
    stream = None
    device = tensors[0].device
    if device.type == "cuda":
        if torch.cuda.is_current_stream_capturing():
            return None
        stream = torch.cuda.current_stream(device).cuda_stream
    try:
        changes = tuple((tensor._version, tensor.data_ptr()) for tensor in tensors)
    except RuntimeError:  # an inference tensor has no version, one of torch.func no address
        return None
    return (*others, stream, changes)

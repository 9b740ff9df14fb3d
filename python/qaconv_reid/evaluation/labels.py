"""Identities and cameras of queries and gallery, and which of their pairs count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["NO_MATCH", "RULES", "Cameras", "Labels", "Pids", "Rule", "check_rule"]

Pids = Sequence[int] | NDArray[np.int64] | Tensor
Cameras = Sequence[int | None] | NDArray[np.int64] | Tensor | None

Rule = Literal["market", "cross-camera"]
"""Which gallery images by the query's camera are left out of its ranking: those of the query's
identity (Market-1501's protocol), or all (a separate camera set)."""
RULES: tuple[Rule, ...] = get_args(Rule)

NO_MATCH = (
    "got no query with a match in the gallery (same identity, and another camera where cameras "
    "count), wanted at least one"
)
"""What is said of labels by which nothing can be measured."""


class Labels:
    """Identities and cameras of one side, checked.

    Args:
        side: ``query`` or ``gallery``, for messages.
        pids: ``[N]``, the identity in each.
        cameras: ``[N]``, its camera, None where not known; or None when no camera is.

    Raises:
        ValueError: there are none, or not as many of both.
    """

    def __init__(self, side: str, pids: Pids, cameras: Cameras) -> None:
        self.pids = torch.as_tensor(pids, dtype=torch.int64)
        if self.pids.dim() != 1 or len(self.pids) == 0:
            raise ValueError(
                f"{side}_ids: got shape {list(self.pids.shape)}, wanted [N] with N at least 1"
            )
        if isinstance(cameras, Tensor | np.ndarray):
            cameras = cameras.tolist()
        listed = [None] * len(self.pids) if cameras is None else list(cameras)
        if len(listed) != len(self.pids):
            raise ValueError(
                f"{side}_cams: got {len(listed)} for {len(self.pids)} images, wanted as many"
            )
        self.known = torch.tensor([camera is not None for camera in listed])
        self.cameras = torch.tensor([0 if camera is None else int(camera) for camera in listed])

    def __len__(self) -> int:
        return len(self.pids)

    def matches(self, gallery: Labels, rows: slice, rule: Rule = "market") -> tuple[Tensor, Tensor]:
        """For the queries of ``rows``, two bool ``[rows, gallery]``.

        First the matches: same identity and in the ranking. Then what the rule leaves out of the
        ranking; an unknown camera is never the same as another.
        """
        same = self.pids[rows, None] == gallery.pids
        left_out = self.cameras[rows, None] == gallery.cameras
        left_out &= self.known[rows, None] & gallery.known
        if rule == "market":
            left_out &= same
        return same & ~left_out, left_out


def check_rule(rule: Rule) -> None:
    """That it is one of them.

    Raises:
        ValueError: it is not.
    """
    if rule not in RULES:
        raise ValueError(f"rule: got {rule!r}, wanted one of {', '.join(RULES)}")

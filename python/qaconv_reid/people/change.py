"""What changes of a look from one camera to the next: a bag is put down, a jacket opened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qaconv_reid.people.look import Look

__all__ = ["as_seen"]


def as_seen(look: Look, generator: np.random.Generator) -> Look:
    """The look as it is on one visit. Of three visits about two show the look as it is."""
    if look.bag != "none" and generator.random() < 0.10:
        look = replace(look, bag="none")
    if look.sleeve == 1 and generator.random() < 0.10:
        opened = float(generator.uniform(0.02, 0.07))
        look = replace(look, open_front=0.0 if look.open_front > 0 else opened)
    if look.hat != "none" and generator.random() < 0.15:
        look = replace(look, hat="none")
    if look.umbrella is not None and generator.random() < 0.4:
        look = replace(look, umbrella=None, gait=replace(look.gait, right="swing"))
    if 0.7 < look.sleeve < 1.01 and generator.random() < 0.05:
        look = replace(look, sleeve=float(generator.uniform(0.55, 0.75)))  # rolled up
    return look

"""``qaconv study``: a grid of runs at an equal number of images, and how its arms compare."""

from qaconv_reid.recipes.study.command import study

__all__ = ["study"]

"""What a matcher has to leave behind: one vector an image, with nothing learnt for matching."""

from qaconv_reid.evaluation.baselines.baseline import Baseline, Images
from qaconv_reid.evaluation.baselines.histogram import ColorHistogram
from qaconv_reid.evaluation.baselines.pooled import PooledEmbedding
from qaconv_reid.evaluation.baselines.stripes import Stripes

__all__ = [
    "BASELINES",
    "Baseline",
    "ColorHistogram",
    "Images",
    "PooledEmbedding",
    "Stripes",
]

#: All of them, in the order of tables.
BASELINES: tuple[Baseline, ...] = (ColorHistogram(), PooledEmbedding(), Stripes(), Stripes(8))

"""Graph sampling: batches of identities that look alike, from labels and any notion of distance."""

from qaconv_ext.graph.class_batch_sampler import ClassBatchSampler
from qaconv_ext.graph.class_queues import ClassQueues
from qaconv_ext.graph.distances import class_distances, nearest_classes
from qaconv_ext.graph.distributed import one_graph
from qaconv_ext.graph.epoch_batch_sampler import EpochBatchSampler
from qaconv_ext.graph.graph_sampler import GraphSampler
from qaconv_ext.graph.pk_sampler import PKSampler
from qaconv_ext.graph.shuffle_sampler import ShuffleSampler

__all__ = [
    "ClassBatchSampler",
    "ClassQueues",
    "EpochBatchSampler",
    "GraphSampler",
    "PKSampler",
    "ShuffleSampler",
    "class_distances",
    "nearest_classes",
    "one_graph",
]

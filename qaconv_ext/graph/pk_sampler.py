from __future__ import annotations

import random

from qaconv_ext.graph.class_batch_sampler import ClassBatchSampler


class PKSampler(ClassBatchSampler):
    """P random classes with K images each, P = batch_size / num_instances.

    An epoch shuffles the classes and cuts them into batches of P, so each class is in at most one
    batch: ``classes // P`` batches in all, and the ``classes % P`` left over, others every time,
    wait for another epoch. Arguments, epochs, ranks and resuming: see `ClassBatchSampler`.

    Source: Hermans et al., *In Defense of the Triplet Loss for Person Re-Identification* (arXiv
    1703.07737), section 2.
    """

    def _batches_in_all(self) -> int:
        return len(self.classes) // self.classes_per_batch

    def _classes_of_batches(self, rng: random.Random) -> list[list[int]]:
        if self._balance is not None:
            return self._balance.batches(self._batches_in_all(), rng)
        shuffled = rng.sample(range(len(self.classes)), len(self.classes))
        size = self.classes_per_batch
        return [shuffled[i * size : (i + 1) * size] for i in range(self._batches_in_all())]

"""Time and memory of re-ranking and lifting at the size of large data sets, on synthetic maps.

    python benchmarks/evaluation_scale.py [--queries N] [--gallery N] [--dense] [--json FILE]

Maps are small, so that the matching does not hide what comes after it: 4 places of 16 channels. The
matcher is a product of pooled maps unless ``--qaconv`` asks for the true one. ``--dense`` does the
re-ranking on whole matrices in NumPy instead, as it is usually done, for comparison.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from qaconv_ext.benchmark.provenance import provenance
from qaconv_ext.qaconv import QAConv
from qaconv_reid.evaluation import (
    FeatureSet,
    Identities,
    Measures,
    evaluate_ranking,
    score_blocks,
)
from qaconv_reid.evaluation.protocols import measure
from qaconv_reid.evaluation.refinement import refinements
from qaconv_reid.evaluation.stored_scores import StoredScores

CHANNELS, PLACES = 16, (2, 2)
#: Images of a person, and cameras, as in MSMT17's test part.
IMAGES_OF_ONE, CAMERAS = 27, 15


class PooledProduct(nn.Module):
    """A cheap symmetric matcher: it leaves the time to what is to be measured."""

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """Scores ``[P, G]``."""
        return 20 * (probe.flatten(1) @ gallery.flatten(1).T) / (PLACES[0] * PLACES[1]) - 10


def synthetic(images: int, persons: int, seed: int) -> FeatureSet:
    """Noisy maps of persons who walk by in threes."""
    random = torch.Generator().manual_seed(seed)
    looks = torch.randn(persons, CHANNELS, *PLACES, generator=torch.Generator().manual_seed(0))
    who = torch.randint(persons, (images,), generator=random)
    noise = torch.randn(images, CHANNELS, *PLACES, generator=random)
    clock = 60.0 * (who // 3) + 30 * torch.rand(images, generator=random)
    cameras = torch.randint(CAMERAS, (images,), generator=random)
    return FeatureSet(
        normalize(looks[who] + 0.9 * noise, dim=1),
        tuple(who.tolist()),
        tuple(cameras.tolist()),
        tuple(clock.tolist()),
    )


def peak() -> float:
    """GiB that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Stopwatch:
    """Time and memory of one part after the other.

    Beside the seconds that went by those of the processors: other work on the machine changes them
    less.
    """

    def __init__(self) -> None:
        self.parts: list[dict[str, object]] = []
        self._since, self._worked = time.perf_counter(), time.process_time()

    def done(self, what: str, **more: object) -> None:
        """A part ends here, and the next begins."""
        now, worked = time.perf_counter(), time.process_time()
        seconds, processor = now - self._since, worked - self._worked
        line = f"{what:22} {processor:8.1f} s, {seconds:8.1f} s by the clock  {peak():6.2f} GiB"
        print(line, more, flush=True)
        part = {"what": what, "seconds": seconds, "processor_seconds": processor}
        self.parts.append({**part, "peak_gib": peak(), **more})
        self._since, self._worked = now, worked


def streamed(query: FeatureSet, gallery: FeatureSet, matcher: nn.Module) -> list[dict[str, object]]:
    """As `qaconv evaluate --rerank --tlift` does it, part by part."""
    identities = Identities(query.persons, query.cameras, gallery.persons, gallery.cameras)
    watch, measures = Stopwatch(), Measures(rerank=True, tlift=True)
    with StoredScores(len(gallery)) as stored:
        blocks = score_blocks(matcher, query.maps, gallery.maps)
        plain = measure(measures, stored.keeping(blocks), identities)
        watch.done("matching, plain", mAP=plain.mAP)
        for name, again in refinements(matcher, query, gallery, stored, measures):
            if name == "re-ranked":
                watch.done("neighbours, encoding")
            watch.done(name, mAP=measure(measures, again, identities).mAP)
    return watch.parts


def dense(query: FeatureSet, gallery: FeatureSet, matcher: nn.Module) -> list[dict[str, object]]:
    """The square of all distances, its whole order, and a square of encodings."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
    from support.dense_rerank import dense_rerank

    watch = Stopwatch()
    sides = (query.maps, gallery.maps)
    with torch.no_grad():
        across, own, others = (
            torch.sigmoid(-matcher(left, right)).double().numpy()
            for left, right in (sides, (query.maps,) * 2, (gallery.maps,) * 2)
        )
    final = dense_rerank(across, own, others)
    labels = (query.persons, query.cameras, gallery.persons, gallery.cameras)
    watch.done("dense", mAP=evaluate_ranking([-np.asarray(final)], *labels).mAP)
    return watch.parts


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=11_659)
    parser.add_argument("--gallery", type=int, default=82_161)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--qaconv", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    persons = max(1, arguments.gallery // IMAGES_OF_ONE)
    query, gallery = (
        synthetic(number, persons, seed)
        for seed, number in ((1, arguments.queries), (2, arguments.gallery))
    )
    matcher = QAConv(CHANNELS, *PLACES).eval() if arguments.qaconv else PooledProduct()
    print(f"{len(query):,} queries, {len(gallery):,} gallery images, {persons:,} persons")
    parts = (dense if arguments.dense else streamed)(query, gallery, matcher)
    if arguments.json:
        command = f"benchmarks/evaluation_scale.py {' '.join(sys.argv[1:])}"
        content = {
            **provenance(command, "cpu"),
            "queries": len(query),
            "gallery": len(gallery),
            "parts": parts,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

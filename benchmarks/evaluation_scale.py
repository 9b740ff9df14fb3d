"""Time and memory of re-ranking and lifting at the size of large data sets, on synthetic maps.

    python benchmarks/evaluation_scale.py [--queries N] [--gallery N] [--dense] [--json FILE]
        [--qaconv | --precision float32|bfloat16|int8] [--work FOLDER]

Maps are small, so that the matching does not hide what comes after it: 4 locations of 16 channels.
The matcher is a product of pooled maps unless ``--qaconv`` asks for the true one, or
``--precision`` for it with its winners found in that type. ``--dense`` does the re-ranking on whole
matrices in NumPy instead, as it is usually done, for comparison. With ``--work`` scores, neighbors
and the seconds spent are kept in that folder: the same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from qaconv_ext.benchmark.provenance import provenance
from qaconv_ext.narrow import NarrowQAConv, why_slow
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
from qaconv_reid.evaluation.stored_scores import KeptScores, StoredScores
from qaconv_reid.evaluation.work import SetWork
from qaconv_reid.files import replaced

CHANNELS, PLACES = 16, (2, 2)
#: Images of a person, and cameras, as in MSMT17's test part.
IMAGES_OF_ONE, CAMERAS = 27, 15
QUERY_BLOCK = 256
#: Parts that an interruption does not lose.
MATCHING, NEIGHBORS = "matching, plain", "neighbors, encoding"
NOTE_SECONDS = 10.0


class PooledProduct(nn.Module):
    """A cheap symmetric matcher: it leaves the time to what is to be measured."""

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """Scores ``[P, G]``."""
        return 20 * (probe.flatten(1) @ gallery.flatten(1).T) / (PLACES[0] * PLACES[1]) - 10


def synthetic(images: int, identities: int, seed: int) -> FeatureSet:
    """Noisy maps of people who walk by in threes."""
    random = torch.Generator().manual_seed(seed)
    looks = torch.randn(identities, CHANNELS, *PLACES, generator=torch.Generator().manual_seed(0))
    who = torch.randint(identities, (images,), generator=random)
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

    Args:
        file: where the seconds of parts that are not done are kept, of earlier processes too; a
            part that nothing is kept of is done again, and counts as often.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.parts: list[dict[str, object]] = []
        self._file = file
        there = file is not None and file.is_file()
        self._spent: dict[str, list[float]] = json.loads(file.read_text()) if there else {}
        self._begin()

    def _begin(self) -> None:
        self._since, self._worked = time.perf_counter(), time.process_time()
        self._noted = self._since

    def _seconds(self, what: str) -> list[float]:
        before = self._spent.get(what, [0.0, 0.0])
        now = time.perf_counter() - self._since, time.process_time() - self._worked
        return [a + b for a, b in zip(before, now, strict=True)]

    def note(self, what: str) -> None:
        """Keep the seconds of a part that goes on."""
        if self._file is None or time.perf_counter() - self._noted < NOTE_SECONDS:
            return
        with replaced(self._file) as temporary:
            temporary.write_text(json.dumps({**self._spent, what: self._seconds(what)}))
        self._noted = time.perf_counter()

    def done(self, what: str, **more: object) -> None:
        """A part ends here, and the next begins."""
        seconds, processor = self._seconds(what)
        line = f"{what:22} {processor:8.1f} s, {seconds:8.1f} s by the clock  {peak():6.2f} GiB"
        print(line, more, flush=True)
        part = {"what": what, "seconds": seconds, "processor_seconds": processor}
        self.parts.append({**part, "peak_gib": peak(), **more})
        self._begin()


def streamed(
    query: FeatureSet, gallery: FeatureSet, matcher: nn.Module, folder: Path | None
) -> list[dict[str, object]]:
    """As `qaconv evaluate --rerank --tlift` does it, part by part."""
    identities = Identities(query.persons, query.cameras, gallery.persons, gallery.cameras)
    measures = Measures(rerank=True, tlift=True)
    work = None if folder is None else SetWork(folder)
    watch = Stopwatch(None if folder is None else folder / "seconds.json")
    with ExitStack() as until_end:
        stored: StoredScores | KeptScores = until_end.enter_context(StoredScores(len(gallery)))
        if work is not None:
            file = work.rows("scores", len(query), (len(gallery),), torch.float32)
            stored = KeptScores(file, QUERY_BLOCK, "cpu")
        blocks = score_blocks(
            matcher,
            query.maps,
            gallery.maps,
            first=stored.done,
            query_block=QUERY_BLOCK,
            progress=lambda *_: watch.note(MATCHING),
        )
        plain = measure(measures, stored.keeping(blocks), identities)
        watch.done(MATCHING, mAP=plain.mAP)
        ways = refinements(
            matcher,
            query,
            gallery,
            stored,
            measures,
            kept=None if work is None else work.neighbors(),
            progress=lambda *_: watch.note(NEIGHBORS),
        )
        for name, again in ways:
            if name == "re-ranked":
                watch.done(NEIGHBORS)
            watch.done(name, mAP=measure(measures, again, identities).mAP)
    if folder is not None:
        shutil.rmtree(folder)
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
    parser.add_argument("--precision", choices=["float32", "bfloat16", "int8"])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    persons = max(1, arguments.gallery // IMAGES_OF_ONE)
    query, gallery = (
        synthetic(number, persons, seed)
        for seed, number in ((1, arguments.queries), (2, arguments.gallery))
    )
    kind, matcher = "product", PooledProduct()
    if arguments.qaconv or arguments.precision:
        kind, matcher = arguments.precision or "float32", QAConv(CHANNELS, *PLACES).eval()
        if kind != "float32":
            slow = why_slow(kind)
            if slow:
                sys.exit(f"--precision: got {kind}, and {slow}")
            matcher = NarrowQAConv(matcher, kind)
    print(f"{len(query):,} queries, {len(gallery):,} gallery images, {persons:,} persons")
    if arguments.dense:
        parts = dense(query, gallery, matcher)
    else:
        own = f"{len(query)}-{len(gallery)}-{kind}"
        parts = streamed(query, gallery, matcher, arguments.work and arguments.work / own)
    if arguments.json:
        command = f"benchmarks/evaluation_scale.py {' '.join(sys.argv[1:])}"
        content = {
            **provenance(command, "cpu"),
            "queries": len(query),
            "gallery": len(gallery),
            "matcher": kind,
            "parts": parts,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

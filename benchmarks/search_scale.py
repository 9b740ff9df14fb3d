"""Time and memory of a search in a large gallery of random maps.

    python benchmarks/search_scale.py [--rows N] [--searches N] [--table NAME.lance] [--json FILE]

The table is made by a process of its own, so that the memory is that of searching alone; a table
that is there already is taken. Each query is a row of it with noise; one per cent is scored.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid.gallery import Maker, Row, Table, open_table
from qaconv_reid.gallery.search import default_shortlist, find, score_maps
from qaconv_reid.gallery.shortlist import on_grid, shortlist

SHAPE = (128, 24, 8)
#: Rows that are added at a time.
_BATCH = 2000


def make(place: str, rows: int) -> None:
    """A table of random maps, every batch around a middle of its own."""
    generator = torch.Generator().manual_seed(0)
    maker = Maker("random", "0" * 16, SHAPE, (0.01,) * (SHAPE[1] * SHAPE[2]), 0.0)
    table = open_table(place, maker)
    for start in range(len(table), rows, _BATCH):
        count = min(_BATCH, rows - start)
        middle = torch.randn(1, *SHAPE, generator=generator)
        maps = normalize(middle + torch.randn(count, *SHAPE, generator=generator), dim=1).half()
        facts = [Row(f"{n}.jpg", str(n // 10), n % 6) for n in range(start, start + count)]
        table.append(facts, maps, on_grid(maps))


def measure(table: Table, searches: int) -> list[dict[str, object]]:
    """The first search, the later ones, and the parts of one."""
    rows = len(table)
    chosen = table.numbers()[np.linspace(0, rows - 1, searches).astype(int)]
    noise = torch.randn(searches, *SHAPE, generator=torch.Generator().manual_seed(1))
    queries = normalize(table.maps(chosen).float() + 0.05 * noise, dim=1).half()

    def seconds(what: str, work: object) -> dict[str, object]:
        times = []
        for query in queries:
            began = time.perf_counter()
            work(query[None])  # type: ignore[operator]
            times.append(time.perf_counter() - began)
        line = {"what": what, "median": statistics.median(times), "maximum": max(times)}
        print(f"{what:38} {line['median']:7.3f} s, at most {line['maximum']:.3f}", flush=True)
        return {**line, "times": len(times)}

    began = time.perf_counter()
    find(table, queries[:1], 10)
    first = time.perf_counter() - began
    parts = [{"what": "the first search", "median": first, "maximum": first, "times": 1}]
    parts.append(seconds("a search", lambda query: find(table, query, 10)))
    candidates, count = table.candidates(), default_shortlist(rows)
    few = {}

    def choose(query: torch.Tensor) -> None:
        few["numbers"] = shortlist(on_grid(query)[0], candidates, count)

    parts.append(seconds("of that: shortlist", choose))
    parts.append(seconds("of that: reading", lambda _: table.maps(few["numbers"])))
    maps = table.maps(few["numbers"])
    parts.append(seconds("of that: scoring", lambda query: score_maps(table.maker, query, maps)))
    return parts


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--table")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.table or f"{folder}/random.lance"
        child = get_context("spawn").Process(target=make, args=(place, arguments.rows))
        child.start()
        child.join()
        table = open_table(place)
        parts = measure(table, arguments.searches)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(table):,} rows, {peak:.2f} GiB at most")
    if arguments.json:
        command = f"benchmarks/search_scale.py {' '.join(sys.argv[1:])}".strip()
        content = {
            **provenance(command, "cpu"),
            "rows": arguments.rows,
            "shape": SHAPE,
            "scored": default_shortlist(arguments.rows),
            "parts": parts,
            "peak_gib": peak,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

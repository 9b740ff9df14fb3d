"""What the graph and a step of each loss cost, by the number of classes.

    python benchmarks/graph_cost.py RUN DATA [--classes N,N,…] [--json FILE]

RUN is a trained run, DATA a set with as many identities; one image of each is taken. Plain PyTorch
is the backend ``reference``: the formula by einsum and maxima. It is timed on a block of the matrix
and multiplied where the whole would take minutes; such figures carry ``"extrapolated": true``.

The shortlist is the graph's without most of its pairs: row stripes choose ``max(N / 20, 60)``
others of each class, and these alone are matched. Its recall is of the 31 nearest by all pairs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import qaconv_reid
from qaconv_ext import backend
from qaconv_ext.benchmark.provenance import provenance
from qaconv_ext.graph import class_distances, nearest_classes
from qaconv_ext.losses import ClassMemory, ClassMemoryLoss, HardTripletLoss
from qaconv_reid.config import load as load_settings
from qaconv_reid.data import load
from qaconv_reid.models import stripes
from qaconv_reid.restore import restore_run
from qaconv_reid.training import join

NEAREST, BATCH, BLOCK = 31, 64, 256
_STRIPES = 8


def seconds(work: Callable[[], object], times: int = 1) -> dict[str, float]:
    """Median by the clock, and the processors' seconds of it."""
    clocks, spent = [], []
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        work()
        clocks.append(time.perf_counter() - began)
        spent.append(time.process_time() - used)
    return {"seconds": statistics.median(clocks), "processor_seconds": statistics.median(spent)}


def shortlisted(maps: Tensor, matcher: nn.Module, count: int) -> Tensor:
    """The nearest classes of each, among those that stripes choose."""
    vectors = stripes(maps, min(_STRIPES, maps.shape[2]))
    chosen = torch.empty((len(maps), NEAREST), dtype=torch.int64)
    with torch.no_grad():
        for start in range(0, len(maps), BLOCK):
            likeness = vectors[start : start + BLOCK] @ vectors.T
            rows = torch.arange(len(likeness))
            likeness[rows, start + rows] = -torch.inf
            near = likeness.topk(count).indices
            for row, candidates in zip(rows.tolist(), near, strict=True):
                scores = matcher(maps[start + row][None], maps[candidates])[0]
                chosen[start + row] = candidates[scores.topk(NEAREST).indices]
    return chosen


def graph(maps: Tensor, matcher: nn.Module) -> list[dict[str, object]]:
    """The graph by all pairs, by plain PyTorch, and by a shortlist."""
    number = len(maps)
    result: list[Tensor] = []
    own = seconds(lambda: result.append(class_distances(maps, matcher)))
    nearest = nearest_classes(result[0], NEAREST)
    backend.set_backend("reference")
    with torch.no_grad():
        plain = seconds(lambda: matcher(maps[:BLOCK], maps[-BLOCK:]), 3)
    backend.set_backend("auto")
    blocks = number * (number + 1) / 2 / BLOCK**2
    count = min(max(number // 20, 60), number - 1)
    lists: list[Tensor] = []
    short = seconds(lambda: lists.append(shortlisted(maps, matcher, count)))
    found = (lists[0][:, :, None] == nearest[:, None, :]).any(dim=1).double().mean()
    return [
        {"what": "distances", **own},
        {
            "what": "distances, plain PyTorch",
            **{name: blocks * value for name, value in plain.items()},
            "extrapolated": True,
        },
        {"what": "shortlist", **short, "count": count, "recall": float(found)},
    ]


def steps(maps: Tensor, matcher: nn.Module) -> list[dict[str, object]]:
    """A forward and backward pass of matcher and loss, with our kernels and without."""
    number = len(maps)
    labels = torch.arange(BATCH) // 2
    memory = ClassMemory(number, *maps.shape[1:])
    memory.update(maps, torch.arange(number))
    triplet, against = HardTripletLoss(), ClassMemoryLoss()
    batch = maps[:BATCH].clone().requires_grad_()

    def of_batch() -> None:
        triplet(matcher(batch), labels).backward()

    def of_memory() -> None:
        scores, classes = memory(batch, matcher)
        against(scores, labels, classes).backward()

    parts: list[dict[str, object]] = []
    matcher.train()
    for name, step in (("triplet step", of_batch), ("class memory step", of_memory)):
        for kind in ("auto", "reference"):
            backend.set_backend(kind)
            step()
            plain = ", plain PyTorch" if kind == "reference" else ""
            parts.append({"what": name + plain, **seconds(step, 3)})
    backend.set_backend("auto")
    matcher.eval()
    return parts


def network_step(network: nn.Module, height: int, width: int) -> dict[str, object]:
    """A forward and backward pass of the network, on images at random."""
    images = torch.rand(BATCH, 3, height, width)
    network.train()

    def step() -> None:
        network(images).sum().backward()

    step()
    return {"what": "network step", **seconds(step, 3)}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--classes", default="751,1041,4101,8000")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = qaconv_reid.load(arguments.run, device="cpu")
    settings = load_settings(arguments.run / "config.toml")
    restored = restore_run(arguments.run, settings, torch.device("cpu"))
    matcher = restored.matcher.eval()
    of_network = network_step(restored.network, settings.model.height, settings.model.width)
    images = join([load(Path(folder)) for folder in arguments.data])
    first: dict[int, str] = {}
    for record, label in zip(images.records, images.labels, strict=True):
        first.setdefault(label, str(record.path))
    paths = list(first.values())
    sizes = [int(number) for number in arguments.classes.split(",")]
    if min(sizes) < BATCH or len(paths) < max(sizes):
        parser.error(f"--classes: got {sizes}, wanted {BATCH} to {len(paths)}, as DATA has")
    found: list[Tensor] = []
    features = seconds(lambda: found.append(model.features(paths[: max(sizes)])))
    runs = []
    for number in sizes:
        maps = found[0][:number].float().contiguous()
        share = number / max(sizes)
        parts: list[dict[str, object]] = [
            {"what": "features", **{name: share * value for name, value in features.items()}},
            of_network,
            *graph(maps, matcher),
            *steps(maps, matcher),
        ]
        runs.append({"classes": number, "parts": parts})
        for part in parts:
            print(f"{number:>6,}  {part['what']:<34}{part['seconds']:>10.3f} s", flush=True)
    if arguments.json:
        shape = list(found[0].shape[1:])
        command = f"benchmarks/graph_cost.py {' '.join(sys.argv[1:])}"
        entry = {**provenance(command, "cpu"), "shape": shape, "batch": BATCH, "runs": runs}
        arguments.json.write_text(json.dumps(entry, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

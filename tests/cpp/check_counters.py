"""Runs cuda_launches on an emulated device and checks what its counters say of the kernels.

``check_counters.py PROGRAM``; for maps of 128 channels on 192 places in float16:
2 x 3 pairs (match_scores, correlation_max) and the 6 pairs of a triangle of 3 (pairwise_distance,
correlation_max_self).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FLOPS_OF_PAIR = 2 * 192 * 192 * 128
BYTES_OF_MAP = 2 * 192 * 128
PAIRS = 6
failures = 0


def check(holds: bool, what: str) -> None:
    global failures
    if not holds:
        failures += 1
        print(f"FAILED {what}")


def check_main_loop(launch: dict) -> None:
    """A tensor-core kernel: nothing in vain."""
    name = launch["kernel"]
    flops = launch["tensor_flops"] / (PAIRS * FLOPS_OF_PAIR)
    check(1 <= flops <= 1.05, f"{name}: {flops:.3f} times the useful operations, wanted up to 1.05")
    for what in ("shared", "ldmatrix", "cp_async_shared"):
        conflicts = launch[what]["conflicts"]
        check(conflicts == 0, f"{name}: {conflicts} bank conflicts of {what}, wanted 0")
    # Every task is one pair here: both its maps are read once.
    loaded, least = launch["global_load"]["sectors"] * 32, 2 * PAIRS * BYTES_OF_MAP
    check(loaded <= 1.05 * least, f"{name}: {loaded} bytes loaded, wanted {least} to 5 % more")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "launches.jsonl"
        environment = os.environ | {"CUDA_EMULATOR_REPORT": str(report)}
        subprocess.run([sys.argv[1]], check=True, env=environment)
        launches = [json.loads(line) for line in report.read_text().splitlines()]
    tensor = [launch for launch in launches if launch["tensor_flops"] > 0]
    check(len(tensor) == 4, f"{len(tensor)} launches on tensor cores, wanted 4")
    for launch in tensor:
        check_main_loop(launch)
    packing = [launch for launch in launches if "pack_operands" in launch["kernel"]]
    check(len(packing) == 4, f"{len(packing)} launches of packing, wanted one for each of 4 calls")
    for launch in packing:
        for way in ("global_load", "global_store"):
            # Sectors of 32 bytes that are needed at all, of those that are moved.
            share = launch[way]["bytes_requested"] / (32 * launch[way]["sectors"])
            check(share >= 0.95, f"packing, {way}: {share:.0%} of the sectors' bytes are used")
        check(launch["shared"]["conflicts"] == 0, "packing: bank conflicts")
    print(f"counters of {len(launches)} launches, {failures} failed checks")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""What ptxas made of the CUDA kernels: ``python benchmarks/machine_code.py [--check]``.

Compiles every kernel for every architecture of the list and writes registers, shared memory and
spills to ``benchmarks/results/machine_code.json``; of the tensor-core kernels also the instructions
of the main loop, where ``cuobjdump`` is found (PyPI has it: nvidia-cuda-cuobjdump; so has triton).
Renders the tables of docs/kernels.md from that file. ``--check`` compiles again and fails where
anything differs. The numbers belong to one release of nvcc, which the file names.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "machine_code.json"
PAGE = ROOT / "docs" / "kernels.md"
BEGIN, END = "<!-- machine code: begin -->", "<!-- machine code: end -->"

Kernel = dict[str, Any]


def read_list(path: str) -> list[str]:
    """The lines of one of the lists that the build reads, without comments."""
    lines = (ROOT / path).read_text().splitlines()
    return [line for line in (line.split("#")[0].strip() for line in lines) if line]


def sources() -> list[str]:
    """The files that hold CUDA kernels."""
    pairs = [line.split() for line in read_list("csrc/sources.txt")]
    return [path for group, path in pairs if group == "cuda"]


def nvcc_release() -> str | None:
    """The release of the nvcc on PATH, or None."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    match = re.search(r"V(\d+\.\d+\.\d+)", text)
    return match[1] if match else None


def cuobjdump() -> str | None:
    """The program that disassembles: on PATH, or triton's."""
    found = shutil.which("cuobjdump")
    triton = None if found else find_spec("triton")
    if triton is not None and triton.origin is not None:
        path = Path(triton.origin).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
        found = str(path) if path.exists() else None
    return found


def short_name(mangled: str) -> str:
    """``resident_kernel<Half, 8, Scores<float>>`` of a mangled name."""
    text = subprocess.run(["c++filt", mangled], capture_output=True, text=True).stdout.strip()
    text = text.replace("(anonymous namespace)::", "").replace("qaconv::cuda::", "")
    text = re.sub(r"\([^()]*\)$", "", text.replace("(int)", "").replace("> >", ">>"))
    return re.sub(r"\(.*\)$", "", text).removeprefix("void ").replace("qaconv::", "")


def usage(log: str) -> Iterator[tuple[str, Kernel]]:
    """Mangled name and figures of each kernel in what ``ptxas -v`` printed."""
    for part in log.split("Compiling entry function '")[1:]:
        registers = re.search(r"Used (\d+) registers", part)
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part)
        shared = re.search(r"(\d+) bytes smem", part)
        if registers is None or spills is None:
            raise ValueError(f"ptxas said nothing of registers or spills: {part[:200]}")
        yield (
            part.split("'")[0],
            {
                "registers": int(registers[1]),
                "static_shared_bytes": int(shared[1]) if shared else 0,
                "spill_bytes": int(spills[1]) + int(spills[2]),
            },
        )


def loops(disassembly: str) -> Iterator[list[str]]:
    """The instructions of every loop of a function, found by its branches backwards."""
    pattern = r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+ )?([A-Z][\w.]*)(.*?);"
    code = [(int(m[1], 16), m[2], m[3]) for m in re.finditer(pattern, disassembly)]
    for address, operation, rest in code:
        target = re.search(r"0x([0-9a-f]+)", rest) if operation == "BRA" else None
        if target is not None and int(target[1], 16) < address:
            yield [name for at, name, _ in code if int(target[1], 16) <= at <= address]


def main_loop(disassembly: str) -> dict[str, int] | None:
    """Instructions of the smallest loop that multiplies matrices, and of the one that copies."""

    def has(body: list[str], *names: str) -> bool:
        return all(any(operation.startswith(name) for operation in body) for name in names)

    bodies = sorted(loops(disassembly), key=len)
    inner = next((body for body in bodies if has(body, "HMMA")), None)
    copy = next((body for body in bodies if has(body, "LDGSTS") and not has(body, "HMMA")), None)
    if inner is None or copy is None:
        return None
    return {
        "instructions": len(inner),
        "mma": sum(operation.startswith("HMMA") for operation in inner),
        "copy_loop_instructions": len(copy),
    }


def compiled(source: str, architecture: str, folder: Path) -> list[Kernel]:
    """The kernels of a file for an architecture."""
    cubin = folder / f"{Path(source).stem}-{architecture}.cubin"
    arch = architecture.replace(".", "")
    command = ["nvcc", "-cubin", f"-arch=sm_{arch}", "-O3", "-std=c++17", "-lineinfo", "-Icsrc"]
    command += ["-Xptxas", "-v", source, "-o", str(cubin)]
    log = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    functions = {}
    if (program := cuobjdump()) is not None:
        text = subprocess.run([program, "-sass", str(cubin)], capture_output=True, text=True).stdout
        for part in text.split("Function : ")[1:]:
            functions[part.split("\n", 1)[0].strip()] = part
    kernels = []
    for mangled, figures in usage(log):
        where = {"kernel": short_name(mangled), "source": source, "architecture": architecture}
        loop = main_loop(functions[mangled]) if mangled in functions else None
        kernels.append(where | figures | ({"main_loop": loop} if loop else {}))
    return kernels


def measured(architectures: list[str], files: list[str]) -> list[Kernel]:
    """All kernels of the files for the architectures, in a fixed order."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        jobs = [(source, arch) for source in files for arch in architectures]
        parts = pool.map(lambda job: compiled(*job, Path(folder)), jobs)
        kernels = [kernel for part in parts for kernel in part]
    order = {arch: position for position, arch in enumerate(architectures)}
    kernels.sort(key=lambda k: (k["source"], k["kernel"], order[k["architecture"]]))
    return kernels


def rendered(data: dict[str, Any]) -> str:
    """The tables for the page."""
    kernels: list[Kernel] = data["kernels"]
    architectures = list(dict.fromkeys(k["architecture"] for k in kernels))
    by_name: dict[str, dict[str, Kernel]] = {}
    for kernel in kernels:
        by_name.setdefault(kernel["kernel"], {})[kernel["architecture"]] = kernel
    lines = [
        f"nvcc {data['nvcc']}. Registers of a thread; no kernel spills on any architecture.",
        "",
        "| kernel | " + " | ".join(architectures) + " |",
        "|---|" + "---|" * len(architectures),
    ]
    for name, of_arch in by_name.items():
        cells = " | ".join(str(of_arch[arch]["registers"]) for arch in architectures)
        lines.append(f"| `{name}` | {cells} |")
    lines += [
        "",
        "The main loop on 8.0: instructions of the smallest loop that multiplies matrices, those "
        "among them that do, and the share of the tensor peak by the model above.",
        "",
        "| kernel | instructions | `mma` | others for each `mma` | share, all latencies hidden | "
        "share by the model |",
        "|---|---|---|---|---|---|",
    ]
    for name, of_arch in by_name.items():
        loop = of_arch["8.0"].get("main_loop") if "8.0" in of_arch else None
        if loop is None or not name.startswith("resident"):
            continue
        others = (loop["instructions"] - loop["mma"]) / loop["mma"]
        hidden, model = shares(loop, of_arch["8.0"]["registers"])
        lines.append(
            f"| `{name}` | {loop['instructions']} | {loop['mma']} | {others:.2f} "
            f"| {hidden:.0%} | {model:.0%} |"
        )
    return "\n".join(lines)


# The model of an A100, explained in docs/kernels.md.
CLOCKS_OF_MMA = 8  # m16n8k16 in float16: 2,048 multiply-adds, 256 a clock and scheduler
LATENCY = 4  # clocks from an instruction to one that needs its result
UNITS_OF_STAGE, STAGE_ROWS, THREADS, REGISTERS = 3, 48, 128, 65536
REST_OF_STAGE = 140  # estimated: barrier, counters, row maxima and the pair's end, for each stage


def shares(loop: dict[str, int], registers: int) -> tuple[float, float]:
    """Shares of the tensor peak: by issue slots alone, and where no latency is hidden in a warp."""
    copies = STAGE_ROWS * (2 * loop["mma"] // 6) // THREADS
    mma = UNITS_OF_STAGE * loop["mma"]
    others = UNITS_OF_STAGE * loop["instructions"] - mma
    others += copies * loop["copy_loop_instructions"] + REST_OF_STAGE
    tensor = CLOCKS_OF_MMA * mma
    # Registers are dealt in pieces of 8; a thread block has a warp on each scheduler.
    blocks = REGISTERS // (THREADS * -(-registers // 8) * 8)
    hidden = tensor / max(tensor, mma + others)
    return hidden, min(hidden, blocks * tensor / (tensor + LATENCY * others))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--architectures", nargs="*", help="with --check: only these")
    options = parser.parse_args()
    release = nvcc_release()
    if release is None:
        sys.exit("machine_code: nvcc is not on PATH")
    architectures = options.architectures or read_list("csrc/cuda_architectures.txt")
    if options.check:
        check(release, architectures)
        return
    data = {"nvcc": release, "kernels": measured(architectures, sources())}
    lines = ",\n    ".join(json.dumps(kernel) for kernel in data["kernels"])
    RESULTS.write_text(f'{{\n  "nvcc": "{release}",\n  "kernels": [\n    {lines}\n  ]\n}}\n')
    PAGE.write_text(page_with(rendered(data)))


def page_with(tables: str) -> str:
    """The page with its block replaced."""
    before, rest = PAGE.read_text().split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}"


def check(release: str, architectures: list[str]) -> None:
    """Fails where the file differs from what this compiler makes."""
    data = json.loads(RESULTS.read_text())
    if data["nvcc"] != release:
        print(f"machine_code: the table is of nvcc {data['nvcc']}, here is {release}: not compared")
        return
    wanted = [k for k in data["kernels"] if k["architecture"] in architectures]
    got = measured(architectures, sources())
    if cuobjdump() is None:
        print("machine_code: no cuobjdump: main loops are not compared")
        wanted = [{name: k[name] for name in k if name != "main_loop"} for k in wanted]
    if got != wanted:
        differing = [k for k in got if k not in wanted] + [k for k in wanted if k not in got]
        sys.exit("machine_code: differs from the table:\n" + "\n".join(map(str, differing)))
    print(f"machine_code: {len(got)} kernels as in the table")


if __name__ == "__main__":
    main()

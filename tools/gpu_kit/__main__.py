"""``make gpu``: build for the GPU that is here, prove, measure; one command, without a network.

python tools/gpu_kit pack                  # where there is a network: what a bare machine lacks
python tools/gpu_kit run --out build/gpu   # on the machine with the GPU
python tools/gpu_kit run --only study-people,study   # on request: 8,000 identities, docs/study.md
python tools/gpu_kit run --rehearse …      # the same steps under an emulator, at tiny sizes
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from gpu_kit import pack  # noqa: E402  the script's own folder is no package until now
from gpu_kit.runner import Runner  # noqa: E402
from gpu_kit.steps import Machine, steps_of  # noqa: E402


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tools/gpu_kit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pack", help="fetch wheels and write which commit the tree is")
    run = commands.add_parser("run", help="build, prove, measure")
    run.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "build/gpu"))
    run.add_argument("--minutes", type=float, default=9.0, help="for all steps together")
    run.add_argument("--only", help="names of steps, by commas; what they need must be there")
    run.add_argument("--skip", default="", help="names of steps, by commas")
    run.add_argument("--rehearse", action="store_true", help="tiny sizes, on builds that are there")
    run.add_argument("--emulator", help="rehearsal: what runs a program under an emulator")
    run.add_argument("--core", type=Path, help="rehearsal: the folder of the core's build")
    run.add_argument("--library", type=Path, help="rehearsal: the folder of the built package")
    arguments = parser.parse_args()
    if arguments.command == "run" and arguments.rehearse:
        for name in ("emulator", "core", "library"):
            if getattr(arguments, name) is None:
                parser.error(f"--{name}: got nothing, wanted it with --rehearse")
    return arguments


def main() -> int:
    """0 where every step that ran has passed, and none was missing that should have run."""
    arguments = _arguments()
    if arguments.command == "pack":
        return pack.main(ROOT)
    machine = (
        Machine.rehearsed(ROOT, arguments.emulator, arguments.core, arguments.library)
        if arguments.rehearse
        else Machine.here(ROOT, arguments.out)
    )
    steps = steps_of(machine)
    names = [step.name for step in steps]
    usual = [step.name for step in steps if not step.asked]
    only = arguments.only.split(",") if arguments.only else usual
    skipped = [name for name in arguments.skip.split(",") if name]
    for name in (*only, *skipped):
        if name not in names:
            sys.exit(f"--only, --skip: got {name}, wanted some of {', '.join(names)}")
    runner = Runner(arguments.out.resolve(), ROOT, machine.environment, arguments.minutes * 60)
    return runner.run([s for s in steps if s.name in only and s.name not in skipped], set(only))


if __name__ == "__main__":
    sys.exit(main())

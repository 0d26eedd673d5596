"""Whole commands, from the shell to the prompt, of this checkout and of another one in turns.

Prints the processor's seconds (user and system, children included), which a busy machine changes
little, and those of the clock, which it changes much. `import lightning.pytorch`, from which a
command cannot be faster, runs in the same turns.

    git worktree add ../before a6d8230
    python scripts/benchmark_command.py --against ../before
    python scripts/benchmark_command.py --against ../before -n 3 -- train model=realnvp data=moons
    python scripts/benchmark_command.py --against ../before -n 1 --sweep
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
FIRST_STEP = ["train", "model=realnvp", "data=moons", "trainer.max_steps=1"]
SEEDS = ["model=realnvp", "data=moons", "trainer.max_steps=500"]
IMPORT = "import lightning.pytorch"

Cost = tuple[float, float]
"""Seconds of the processor and of the clock."""


def measured(command: list[str], checkout: Path) -> Cost:
    """Run a command in a folder of its own, with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"{' '.join(command)}: failed in {checkout}\n{told.decode()}")
    return used.ru_utime + used.ru_stime, seconds


def commands(options: argparse.Namespace) -> dict[str, tuple[list[str], Path]]:
    """What runs in a turn, by name."""
    genlab = [sys.executable, "-m", "genlab"]
    if options.sweep:
        here = [*genlab, "train", *SEEDS, *options.words, "trainer.replicas=16"]
        jobs = [*genlab, "train", "-m", *SEEDS, f"seed={','.join(map(str, range(16)))}"]
        found = {"here": (here, ROOT), "here, -m": (jobs, ROOT)}
    else:
        words = options.words or FIRST_STEP
        jobs = [*genlab, *words]
        found = {"here": (jobs, ROOT), "import": ([sys.executable, "-c", IMPORT], ROOT)}
    if options.against is not None:
        found["there"] = (jobs, options.against.resolve())
    return found


def main() -> None:
    """Time the commands in turns, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, help="another checkout, such as a git worktree")
    parser.add_argument("-n", type=int, default=5, help="turns, behind one that does not count")
    parser.add_argument("--sweep", action="store_true", help="16 seeds of 500 steps instead")
    parser.add_argument("words", nargs="*", help="the command behind `genlab`")
    options = parser.parse_args()
    turns: dict[str, list[Cost]] = {}
    for turn in range(options.n + 1):
        for name, (command, checkout) in commands(options).items():
            cost = measured(command, checkout)
            if turn:  # the first fills the caches
                turns.setdefault(name, []).append(cost)
    print(f"{'':12}{'cpu s':>8}{'(least, most)':>18}{'wall s':>10}{'(least, most)':>18}")
    for name, costs in turns.items():
        row = ""
        for values in zip(*costs, strict=True):
            row += (
                f"{statistics.median(values):>9.2f}{f'({min(values):.2f}, {max(values):.2f})':>18}"
            )
        print(f"{name:12}{row}")
    for other in turns.keys() - {"here", "here, -m"}:
        for kind, place in (("cpu", 0), ("wall", 1)):
            pairs = [(a[place], b[place]) for a, b in zip(turns["here"], turns[other], strict=True)]
            ratio = statistics.median(a / b for a, b in pairs)
            less = statistics.median(a - b for a, b in pairs)
            print(f"{kind}: here / {other} {ratio:.3f}, here - {other} {less:.2f} s")


if __name__ == "__main__":
    main()

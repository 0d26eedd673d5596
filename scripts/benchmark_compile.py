"""Time a training step by torch's operations, with a compiled loss, and compiled whole.

One thread, batch 256, networks of 64-64, clipping, Adam and an average of the weights in all of
them; realnvp of 8 couplings, nsf of 4 layers of 8 bins; dimensions 2 and 43. Rounds of all
contestants alternate, and the least of each counts: other programs can only add to a time.
"products" are the matrix products of the step alone. Before it, how long the whole step takes to
compile with an empty cache, in the other process that does it, and to load from the cache. Last,
how much memory one step needs beyond model and rows, at a batch of 4,096, in a process each.

    python scripts/benchmark_compile.py [FAMILY ...] [--dims 2 43] [--rounds 30] [--steps 20]
                                        [--loss] [--memory] [--json FILE]

With ``--loss``, `torch.compile` of the loss alone takes part, which takes long to compile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.compiled import compiled
from benchmarks.work import Work
from genlab.batch import Batch
from genlab.descent import gradient_step
from genlab.learning.ema import EMA
from genlab.models import NSF, RealNVP
from genlab.objectives import MaximumLikelihood

BATCH, LARGE, LR, CLIP, DECAY = 256, 4096, 1e-3, 5.0, 0.999
SHAPE: dict[str, Any] = {"hidden": (64, 64), "activation": "relu"}
MODELS: dict[str, Callable[[int], Any]] = {
    "realnvp": lambda dim: RealNVP(dim, layers=8, **SHAPE),
    "nsf": lambda dim: NSF(dim, layers=4, bins=8, bound=5.0, **SHAPE),
}
Step = Callable[[], object]


def apart(family: str, dim: int, batch: Batch, *, faster: bool = False) -> Step:
    """A step by torch's own operations, around a loss that may be compiled."""
    model, objective = MODELS[family](dim), MaximumLikelihood()
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=True)
    ema = EMA(model, decay=DECAY)
    loss = partial(objective.loss, model)
    loss = torch.compile(loss) if faster else loss

    def step() -> None:
        clip = partial(nn.utils.clip_grad_norm_, parameters, CLIP)
        gradient_step(lambda: loss(batch), optimizer, clip=clip)
        ema.update()

    return step


def whole(family: str, dim: int, batch: Batch) -> Work:
    """The same step, compiled whole."""
    return compiled(MODELS[family](dim), MaximumLikelihood(), batch, clip=CLIP, decay=DECAY)


def products(family: str, dim: int) -> Step:
    """The matrix products of a step, forward and backward."""
    pairs = []
    for layer in MODELS[family](dim).modules():
        if isinstance(layer, nn.Linear):
            x, g = torch.randn(BATCH, layer.in_features), torch.randn(BATCH, layer.out_features)
            w = layer.weight.detach()
            pairs += [(x, w.mT), (g.mT, x), (g, w)]

    def step() -> None:
        for a, b in pairs:
            torch.mm(a, b)

    return step


def microseconds(step: Step, steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e6


def compare(family: str, dim: int, arguments: argparse.Namespace) -> dict[str, float]:
    batch = Batch(torch.randn(BATCH, dim))
    work = whole(family, dim, batch)
    contestants = {"eager": apart(family, dim, batch), "whole": work.run}
    contestants["products"] = products(family, dim)
    if arguments.loss:
        contestants["loss"] = apart(family, dim, batch, faster=True)
    for step in contestants.values():
        microseconds(step, 20)
    times = dict.fromkeys(contestants, float("inf"))
    for _ in range(arguments.rounds):
        for name, step in contestants.items():
            times[name] = min(times[name], microseconds(step, arguments.steps))
    return times | {name.removeprefix("seconds to "): value for name, value in work.notes.items()}


def memory(kind: str, family: str, dim: int) -> float:
    """MB that a step needs at a large batch; of this process, which has done nothing before."""
    batch = Batch(torch.randn(LARGE, dim))
    step = apart(family, dim, batch)
    if kind == "whole":
        step = whole(family, dim, batch).run
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(MODELS))
    parser.add_argument("--dims", type=int, nargs="*", default=[2, 43])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--loss", action="store_true", help="torch.compile of the loss too")
    parser.add_argument("--memory", action="store_true", help="and the memory of a step")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FAMILY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.one:
        print(memory(*arguments.one, arguments.dims[0]))
        return
    numbers: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        # Empty, so that compiling is timed from cold.
        os.environ["GENLAB_CACHE"] = folder
        for family in arguments.families or MODELS:
            for dim in arguments.dims:
                found = numbers[f"{family} dim {dim}"] = compare(family, dim, arguments)
                if arguments.memory:
                    for kind in ("eager", "whole"):
                        command = [sys.executable, __file__, "--one", kind, family, "--dims"]
                        # The first call compiles; the second one has nothing else to hold.
                        for _ in range(1 + (kind == "whole")):
                            answer = subprocess.check_output([*command, str(dim)], text=True)
                        found[f"{kind} MB"] = float(answer)
                units = {"compile": "s", "load": "s"}
                shown = (
                    f"{name} {value:.3g} {units[name]}"
                    if name in units
                    else f"{name} {value:.0f}{'' if name.endswith('MB') else ' us'}"
                    for name, value in found.items()
                )
                print(f"{family} dim {dim}: {', '.join(shown)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()

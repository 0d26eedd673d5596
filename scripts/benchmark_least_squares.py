"""What a step by Levenberg and Marquardt costs beside the parts that it cannot do without.

On n = 5,000 points and 881 weights, in one run and one thread: one symmetric rank-k update; one
forward pass that keeps its rows, with one batch of outer products; and for each damping that the
step tried one factorisation, two passes of the residual and three products with the Jacobian. And
the memory that a step takes at its peak, in a process of its own, beside a Jacobian and three
matrices of weights by weights.

    python scripts/benchmark_least_squares.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from genlab.pde import Peak
from genlab.pinn import LevenbergMarquardt, Network
from genlab.pinn.normal_equations import DenseEquations
from genlab.pinn.rows import Rows, rows_at
from genlab.samplers import Points

POINTS = 5000
ROUNDS = 15


def some_rows(n: int) -> Rows:
    """The residual of the peak at so many points."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    problem = Peak()
    network = Network(problem, hidden=[16] * 4, activation="tanh", first_gain=2.0).double()
    x = problem.domain.sample(n, generator=None).double()
    points = Points(x, torch.full((n,), problem.domain.log_uniform, dtype=torch.float64))
    return rows_at(network, points, log_uniform=problem.domain.log_uniform)


def memory_of_a_step() -> int:
    """Bytes at its peak beyond what the points and the network hold."""
    few, many = some_rows(1000), some_rows(POINTS)
    LevenbergMarquardt().step(few, few.theta)  # whatever is made once is there now
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    LevenbergMarquardt().step(many, many.theta)
    return resident("VmHWM") - before


def resident(name: str) -> int:
    """A number of Linux's about this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    rows = some_rows(POINTS)
    network, theta = rows.network, rows.theta
    _, jacobian = rows.linearise(theta)
    normal = DenseEquations(jacobian)
    frame, value, _ = rows.terms[0]

    linear = [layer for layer in network.layers if isinstance(layer, torch.nn.Linear)]
    # A row each for the value, the two slopes and the Laplacian.
    cotangents = [torch.ones(4, POINTS, layer.out_features).double() for layer in linear]

    def forward_and_outer() -> None:
        tape, _ = network._recorded(frame, value)
        made = torch.empty_like(jacobian)
        sizes = [p.numel() for p in network.layers.parameters()]
        for i, (cotangent, seen) in enumerate(zip(cotangents, tape.inputs, strict=True)):
            outer = cotangent.permute(1, 2, 0) @ seen.permute(1, 0, 2)
            made.split(sizes, 1)[2 * i].copy_(outer.flatten(1))

    tried: list[int] = []

    def step() -> None:
        tried.append(LevenbergMarquardt().step(rows, theta).tries)

    parts: dict[str, Callable[[], object]] = {
        "symmetric rank-k update": lambda: DenseEquations(jacobian),
        "forward pass and outer products": forward_and_outer,
        "factorisation": lambda: normal.factor(1e-2),
        "residual": lambda: rows.rows(theta),
        "product with J": lambda: jacobian @ theta,
        "step": step,
    }
    # In turns, so that whatever else the machine does falls on all of them.
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            began = time.perf_counter()
            part()
            seconds[name].append(time.perf_counter() - began)
    cost = {name: statistics.median(times) for name, times in seconds.items()}
    tries = statistics.median(tried)
    each = cost["factorisation"] + 2 * cost["residual"] + 3 * cost["product with J"]
    needed = cost["symmetric rank-k update"] + cost["forward pass and outer products"]
    needed += tries * each
    for name, spent in cost.items():
        print(f"{name:34}{1e3 * spent:8.1f} ms")
    print(f"{f'what it needs, with {tries:g} tries':34}{1e3 * needed:8.1f} ms")
    print(f"{'step / what it needs':34}{cost['step'] / needed:8.2f}")
    # What is freed goes back at once, so that the peak is of what is held together.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--memory"]
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    unit = 8 * len(rows) * len(theta) + 24 * len(theta) ** 2
    print(f"{'memory of a step':34}{int(found.stdout) / 1e6:8.1f} MB")
    print(f"{'memory / (8 n P + 24 P^2)':34}{int(found.stdout) / unit:8.2f}")


if __name__ == "__main__":
    if "--memory" in sys.argv[1:]:
        print(memory_of_a_step())
    else:
        main()

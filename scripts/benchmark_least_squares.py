"""What a step by Levenberg and Marquardt costs beside the parts that it cannot do without.

On n = 5,000 points and 881 weights, in one run and one thread: one symmetric rank-k update; one
forward pass that keeps its rows, with one batch of outer products; and for each damping that the
step tried one factorisation, two passes of the residual and three products with the Jacobian.

    python scripts/benchmark_least_squares.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from genlab.pde import Peak
from genlab.pinn import LevenbergMarquardt, Network
from genlab.pinn.normal_equations import normal_equations
from genlab.pinn.rows import rows_at
from genlab.samplers import Points

POINTS = 5000
ROUNDS = 15


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    problem = Peak()
    network = Network(problem, hidden=[16] * 4, activation="tanh", first_gain=2.0).double()
    x = problem.domain.sample(POINTS, generator=None).double()
    points = Points(x, torch.full((POINTS,), problem.domain.log_uniform, dtype=torch.float64))
    rows = rows_at(network, points, log_uniform=problem.domain.log_uniform)
    theta = rows.theta
    _, jacobian = rows.linearise(theta)
    normal = normal_equations(jacobian)
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
        "symmetric rank-k update": lambda: normal_equations(jacobian),
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


if __name__ == "__main__":
    main()

"""What flow matching costs on the torus of seven angles, beside what is written out by hand.

A training step at batch 4,096 beside a bare loop of the same network, sources, paths and optimiser;
and the log-density of 10,000 points beside the same solve with the trace of each sample's Jacobian
by autograd (``vmap`` of ``jacrev``), and with d backward passes of the whole batch.

    python scripts/benchmark_angles.py
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch
from torch.func import jacrev, vmap

from genlab.batch import Batch
from genlab.bijections import FixedStepSolver
from genlab.densities.inference import inference
from genlab.models import FlowMatching
from genlab.nn import wrap
from genlab.objectives import VelocityRegression
from genlab.targets import Torus

DIM, BATCH, POINTS, ROUNDS = 7, 4096, 10_000, 7
SOLVER = FixedStepSolver(method="rk4", steps=2)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    target = Torus(DIM)
    x = target.sample(max(BATCH, POINTS))
    model = FlowMatching(DIM, circular="all", evaluation=SOLVER)
    ours, bare = _training_steps(model, x[:BATCH])
    for step in (ours, bare):
        step()
    times: dict[str, list[float]] = {"genlab": [], "bare loop": []}
    for _ in range(ROUNDS):
        for name, step in zip(times, (ours, bare), strict=True):
            times[name].append(_seconds(step))
    first, second = (statistics.median(own) for own in times.values())
    print(
        f"training step, batch {BATCH}: {1e3 * first:.1f} ms, bare loop {1e3 * second:.1f} ms, "
        f"ratio {first / second:.2f}"
    )
    model.eval()
    with inference(model):
        _seconds(lambda: model.log_prob(x[:100]))
        fast = _seconds(lambda: model.log_prob(x[:POINTS]))
        found = model.log_prob(x[:100])
    for name, divergence in (("sample by sample", _traced), ("in d passes", _in_passes)):
        slow = _seconds(lambda way=divergence: _by_autograd(model, x[:POINTS], way))
        error = (found - _by_autograd(model, x[:100], divergence)).abs().max().item()
        print(
            f"log p of {POINTS} points: {fast:.2f} s, by autograd {name} {slow:.2f} s, "
            f"{slow / fast:.1f} times as long; they differ by {error:.1e}"
        )


def _training_steps(
    model: FlowMatching, x: torch.Tensor
) -> tuple[Callable[[], None], Callable[[], None]]:
    """A step by the objective, and one written out."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    objective = VelocityRegression()

    def ours() -> None:
        optimizer.zero_grad()
        objective.loss(model, Batch(x)).backward()
        optimizer.step()

    def bare() -> None:
        optimizer.zero_grad()
        source = math.pi * (2 * torch.rand_like(x) - 1)
        t = torch.sigmoid(1.0 + 1.3 * torch.randn(len(x)))
        speed = wrap(x - source)
        v = model.network(wrap(source + t[:, None] * speed), t, None)
        (v - speed).square().mean().backward()
        optimizer.step()

    return ours, bare


Field = tuple[torch.Tensor, torch.Tensor]


def _traced(model: FlowMatching, x: torch.Tensor, t: float) -> Field:
    def velocity(row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        v = model.network(row[None], torch.tensor(t), None)[0]
        return v, v

    jacobian, v = vmap(jacrev(velocity, has_aux=True))(x)
    return v, jacobian.diagonal(dim1=1, dim2=2).sum(1)


def _in_passes(model: FlowMatching, x: torch.Tensor, t: float) -> Field:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        v = model.network(x, torch.tensor(t), None)
        divergence = torch.zeros(len(x))
        for i in range(DIM):
            (slope,) = torch.autograd.grad(v[:, i].sum(), x, retain_graph=i < DIM - 1)
            divergence = divergence + slope[:, i]
    return v.detach(), divergence


@torch.no_grad()
def _by_autograd(
    model: FlowMatching,
    x: torch.Tensor,
    field: Callable[[FlowMatching, torch.Tensor, float], Field],
) -> torch.Tensor:
    """The same steps of the 3/8 rule, back from the data."""
    h, total, t = -1 / SOLVER.steps, torch.zeros(len(x)), 1.0
    for _ in range(SOLVER.steps):
        v1, d1 = field(model, x, t)
        v2, d2 = field(model, x + h / 3 * v1, t + h / 3)
        v3, d3 = field(model, x + h * (v2 - v1 / 3), t + 2 * h / 3)
        v4, d4 = field(model, x + h * (v1 - v2 + v3), t + h)
        x = x + h / 8 * (v1 + 3 * v2 + 3 * v3 + v4)
        total = total + h / 8 * (d1 + 3 * d2 + 3 * d3 + d4)
        t += h
    return total - DIM * math.log(2 * math.pi)


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()

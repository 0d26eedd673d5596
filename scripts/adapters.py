"""Solve the peak by DeepXDE and by PINA, on points of their own and on those of genlab's das.

``-lap u = f`` on [-1, 1]^2 with ``u = exp(-100 |x - 1/2|^2)``, 500 points, the boundary built into
the network; within a library all runs have the same network, optimiser and number of steps. PINA's
R3Refinement trains on its first points, whatever it stores, so R3 stands there twice: as PINA does
it, and as genlab's `R3`, on points that the steps see.

    pip install '.[deepxde,pina]'
    python scripts/adapters.py [--only deepxde|pina] [--steps 2000] [--seeds 3] [--all]
        [--record FILE]

A run takes about half a minute. Errors are kept in FILE as they come, and what is there is not done
again. What is there for contrast, das without its weights and genlab's R3, has the first seed only
unless `--all` is given.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genlab.models import GMM
from genlab.pde import Peak
from genlab.runs.files import read_json, write_json
from genlab.samplers import DAS, R3

A, POINTS, LR, HIDDEN = 100.0, 500, 5e-3, [64] * 3


def source(x: Tensor) -> Tensor:
    """``f`` at points ``[n, 2]``, as a column."""
    squares = (x - 0.5).square().sum(1, keepdim=True)
    return (4 * A - 4 * A**2 * squares) * torch.exp(-A * squares)


def cutoff(x: Tensor) -> Tensor:
    """What is zero on the boundary, as a column."""
    return (1 - x.square()).prod(1, keepdim=True)


def relative_l2(network: Callable[[Tensor], Tensor]) -> float:
    """``|u - u*| / |u*|`` at the centres of a grid of 256 x 256 cells."""
    axis = (torch.arange(256) + 0.5) / 128 - 1
    x = torch.cartesian_prod(axis, axis)
    exact = Peak(A=A).exact(x)
    return float((network(x) - exact).norm() / exact.norm())


def deepxde(kind: str, seed: int, steps: int) -> float:
    """The error of a solve by DeepXDE."""
    os.environ.setdefault("DDE_BACKEND", "pytorch")
    import deepxde as dde

    from genlab.adapters.deepxde import AdaptiveAnchors, domain_of

    dde.config.set_random_seed(seed)

    def residual(x: Tensor, u: Tensor) -> Tensor:
        second = [dde.grad.hessian(u, x, i=i, j=i) for i in range(2)]
        return -second[0] - second[1] - source(x)

    square = dde.geometry.Rectangle([-1, -1], [1, 1])
    # Its sequences, and Hammersley is the default, would be drawn anew point for point.
    data = dde.data.PDE(square, residual, [], num_domain=POINTS, train_distribution="pseudo")
    network = dde.nn.FNN([2, *HIDDEN, 1], "tanh", "Glorot normal")
    network.apply_output_transform(lambda x, u: cutoff(x) * u)
    if kind == "PDEPointResampler":
        callback = dde.callbacks.PDEPointResampler(period=10)
    else:
        das = DAS(domain=domain_of(square), n_points=POINTS, model=GMM(2), seed=seed)
        callback = AdaptiveAnchors(das, weigh=not kind.endswith("unweighted"))
    model = dde.Model(data, network)
    model.compile("adam", lr=LR, decay=("cosine", steps, 0), verbose=0)
    model.train(iterations=steps, callbacks=[callback], display_every=steps, verbose=0)
    return relative_l2(lambda x: torch.from_numpy(model.predict(x.numpy())[:, 0]))


def pina(kind: str, seed: int, steps: int) -> float:
    """The error of a solve by PINA."""
    from pina import Condition, Trainer
    from pina.callback import R3Refinement
    from pina.domain import CartesianDomain
    from pina.equation import Equation
    from pina.operator import laplacian
    from pina.optim import TorchOptimizer, TorchScheduler
    from pina.problem import SpatialProblem
    from pina.solver import PhysicsInformedSingleModelSolver

    from genlab.adapters.pina import AdaptiveRefinement, domain_of

    torch.manual_seed(seed)
    square = CartesianDomain({"x": [-1, 1], "y": [-1, 1]})

    def residual(x: Any, u: Any) -> Any:
        return -laplacian(u, x) - source(x.as_subclass(Tensor))

    class PeakProblem(SpatialProblem):
        output_variables = ["u"]  # noqa: RUF012
        spatial_domain = square
        domains = {"inside": square}  # noqa: RUF012
        conditions = {"pde": Condition(domain="inside", equation=Equation(residual))}  # noqa: RUF012

    problem, network = PeakProblem(), Network()
    problem.discretise_domain(POINTS, domains=["inside"])
    if kind == "R3Refinement":
        callback = R3Refinement(sample_every=10)
    else:
        box = domain_of(square)
        if kind == "genlab r3":
            sampler, refresh = R3(domain=box, n_points=POINTS, seed=seed), 10
        else:
            sampler, refresh = DAS(domain=box, n_points=POINTS, model=GMM(2), seed=seed), 300
        weigh = not kind.endswith("unweighted")
        callback = AdaptiveRefinement(sampler, condition="pde", refresh=refresh, weigh=weigh)
    adam = TorchOptimizer(torch.optim.Adam, lr=LR)
    cosine = TorchScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=steps)
    solver = PhysicsInformedSingleModelSolver(problem, network, optimizer=adam, scheduler=cosine)
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger"), False)
    Trainer(
        solver,
        max_epochs=steps,
        accelerator="cpu",
        callbacks=[callback],
        enable_checkpointing=False,
        **quiet,
    ).train()
    with torch.no_grad():
        return relative_l2(lambda x: network(x)[:, 0])


class Network(nn.Module):
    """The perceptron of DeepXDE's runs, for PINA."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([2, *HIDDEN], [*HIDDEN, 1], strict=True):
            layers += [nn.Linear(before, after), nn.Tanh()]
            nn.init.xavier_normal_(layers[-2].weight)
            nn.init.zeros_(layers[-2].bias)
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        x = x.as_subclass(Tensor)
        return cutoff(x) * self.layers(x)


KINDS = {
    "deepxde": ["PDEPointResampler", "genlab das", "genlab das, unweighted"],
    "pina": ["R3Refinement", "genlab r3", "genlab das", "genlab das, unweighted"],
}
SOLVE = {"deepxde": deepxde, "pina": pina}
CONTRASTS = ("genlab r3", "genlab das, unweighted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="all seeds for the contrasts, too")
    parser.add_argument("--record", type=Path, default=Path("outputs/adapters.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record = read_json(arguments.record) if arguments.record.exists() else {}
    rows: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(arguments.seeds):
        for library in arguments.only or KINDS:
            for kind in KINDS[library]:
                if seed and kind in CONTRASTS and not arguments.all:
                    continue
                key = f"{library}, {kind}, {arguments.steps} steps, seed {seed}"
                if key not in record:
                    began = time.process_time()
                    error = SOLVE[library](kind, seed, arguments.steps)
                    record[key] = [error, time.process_time() - began]
                    arguments.record.parent.mkdir(parents=True, exist_ok=True)
                    write_json(arguments.record, record)
                print(f"{key}: error {record[key][0]:.4f}, {record[key][1]:.0f} s", flush=True)
                rows.setdefault((library, kind), []).append(record[key])
    print("\n| library | points | error | seeds | CPU seconds |\n|---|---|---|---|---|")
    for (library, kind), found in rows.items():
        errors, seconds = zip(*found, strict=True)
        spread = f" ± {statistics.stdev(errors):.4f}" if len(errors) > 1 else ""
        mean, time_taken = statistics.mean(errors), statistics.mean(seconds)
        print(f"| {library} | {kind} | {mean:.4f}{spread} | {len(errors)} | {time_taken:.0f} |")


if __name__ == "__main__":
    main()

"""Solve Burgers' equation and a peak by genlab, scimba and DeepXDE, for equal seconds each.

``u_t + u u_x = 0.01 / pi u_xx`` on [-1, 1] x [0, 1], and ``-lap u = f`` on [-1, 1]^2 with
``u = exp(-100 |x - 1/2|^2)``. Each solve has a process of its own, on one thread of one core, in
float64, and is judged as it goes on, by its relative L2 error at genlab's 256 x 256 points of
reference; neither judging nor compiling counts. Boundary and initial values are built into the
network, except where it says so, and the points are the library's own:

- genlab: ``genlab solve sampler=das model=gmm``, validated every 10 steps instead of 50, to be
  judged as often. What is judged is what it would hand back, the best iterate on points held out,
  which each validation asks for, too.
- scimba, by its JAX half, which compiles its steps: its `Projector` on its own `ViscousBurgers1D`
  and `LaplacianDirichletND`, on genlab's number of uniform points and its shape of network. What
  is judged is the best of the last few steps, which it hands back.
  "natural gradient" is its default, ENG, with new points at each step, damped adaptively as
  Levenberg and Marquardt do, which it does only with the search by Armijo's rule; its other search,
  over a grid, may raise the loss. "self-scaled Broyden" is SS-Broyden; a quasi-Newton method
  compares gradients at the same points, so they are redrawn every 200 steps.
- DeepXDE with the network, the points and the rates of its own example of Burgers' equation: 2,540
  points inside, and there 80 on the edge and 160 at the start, whose values are terms of the loss;
  Adam for a quarter of the time, then L-BFGS, and, as that example goes on, NNCG for the last
  quarter, with at most 100 products a step instead of 1,000, for some steps at all.
  PDEPointResampler redraws the points every 100 steps of Adam and every 1,000 of L-BFGS, by
  `pseudo`, since the default would draw the same ones again.

    pip install -c scripts/constraints.txt '.[deepxde]' scimba==1.4.1
    python scripts/pinn_peers.py [--problem burgers|peak] [--solver NAME] [--seconds 60]
        [--seeds 3] [--record FILE]

What was looked at is kept in FILE as it comes, and a solve that is there is not done again.
"""

from __future__ import annotations

import argparse
import io
import math
import multiprocessing
import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import Clock
from genlab.pde import Burgers, Peak, Problem
from genlab.runs.files import read_json, write_json

A, GOAL = 100.0, 1e-3
PROBLEMS: dict[str, Callable[[], Problem]] = {"burgers": Burgers, "peak": partial(Peak, A=A)}
POINTS, HIDDEN = 4000, [16] * 4
DEEPXDE_POINTS, DEEPXDE_HIDDEN = 2540, [20] * 3
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "DDE_BACKEND": "pytorch"}


def judge(problem: Problem) -> Callable[[Callable[[Tensor], Tensor]], float]:
    """The relative L2 error of a solution at the problem's points of reference."""
    reference = problem.reference()
    exact = reference.exact
    assert exact is not None

    def error(u: Callable[[Tensor], Tensor]) -> float:
        return float((u(reference.x).view_as(exact) - exact).norm() / exact.norm())

    return error


def genlab_default(name: str, seed: int, clock: Clock) -> tuple[int, int]:
    """genlab's solve; judged every ten steps, it keeps its own clock, which stops for that."""
    import genlab

    with tempfile.TemporaryDirectory() as folder:
        solve = genlab.experiment(
            f"problem={name}",
            "sampler=das",
            "model=gmm",
            f"outputs={folder}",
            f"seed={seed}",
            "trainer.accelerator=cpu",
            "trainer.max_steps=1000000",
            f"trainer.max_seconds={1.5 * clock.limit + 10}",
            "trainer.val_every=10",
            command="solve",
        )
        solve.fit()
    for row in solve.module.history:
        clock.seconds.append(row["seconds"])
        clock.seen.append(row["relative_l2"])
    weights = sum(p.numel() for p in solve.network.parameters())
    return len(solve.module.points.x), weights


def scimba(
    name: str, seed: int, clock: Clock, *, epochs: int, optimizer: str, resample: bool, **how: Any
) -> tuple[int, int]:
    """scimba's solve, so many steps at a time.

    Args:
        name: The problem.
        seed: Of weights and points.
        clock: Judges it.
        epochs: Steps between two looks at the clock.
        optimizer: Its name in scimba.
        resample: Whether each step has points of its own, or so many steps the same ones.
        how: Settings of the optimiser.
    """
    import jax
    import jax.numpy as jnp
    from scimba_jax.domains.meshless_domains.domains_1d import Segment1D
    from scimba_jax.domains.meshless_domains.domains_2d import Square2D
    from scimba_jax.nonlinear_approximation.approximation_spaces.approximation_spaces import (
        ApproximationSpace,
    )
    from scimba_jax.nonlinear_approximation.integration.monte_carlo import (
        DomainSampler,
        TensorizedSampler,
    )
    from scimba_jax.nonlinear_approximation.integration.monte_carlo_time import UniformTimeSampler
    from scimba_jax.nonlinear_approximation.networks.mlp import MLP
    from scimba_jax.nonlinear_approximation.numerical_solvers.projectors import Projector
    from scimba_jax.physical_models.elliptic_pde.laplacians import LaplacianDirichletND
    from scimba_jax.physical_models.temporal_pde.viscous_burgers import ViscousBurgers1D

    def source(x: jax.Array) -> jax.Array:
        squares = ((x - 0.5) ** 2).sum(-1, keepdims=True)
        return (4 * A - 4 * A**2 * squares) * jnp.exp(-A * squares)

    if name == "burgers":
        dims, kind = {"t": 1, "x": 1}, "t_x"
        domain = Segment1D((-1.0, 1.0), is_main_domain=True)
        samplers = [UniformTimeSampler((0.0, 1.0)), DomainSampler(domain)]
        model = ViscousBurgers1D(domain, (0.0, 1.0), bc="strong", ic=None, sigma=0.01 / math.pi)

        def trial(v: jax.Array, t: jax.Array, x: jax.Array) -> jax.Array:
            return t * (1 - x**2) * v - jnp.sin(math.pi * x)

    else:
        dims, kind = {"x": 2}, "x"
        domain = Square2D([(-1.0, 1.0)] * 2, is_main_domain=True)
        samplers = [DomainSampler(domain)]
        model = LaplacianDirichletND(domain, f_rhs=source, bc="strong")

        def trial(v: jax.Array, x: jax.Array) -> jax.Array:
            return (1 - x**2).prod(-1, keepdims=True) * v

    key, drawn = jax.random.split(jax.random.PRNGKey(seed))
    network = MLP(2, 1, hidden_sizes=HIDDEN, key=drawn)
    space = ApproximationSpace(dims, [(network, "scalar", 1)], kind, post_processing=trial)
    sampler = TensorizedSampler(samplers, kind, bc=False, ic=False)
    projector = Projector(model, space, sampler, optimizer, **how)

    def run(key: Any, projector: Any) -> tuple[Any, Any]:
        return projector.project(
            key, projector.space, epochs, n_colloc=POINTS, scan_chunk=epochs, resample=resample
        )

    def u(x: Tensor) -> Tensor:
        columns = [jnp.asarray(x.numpy())] if name == "peak" else [x[:, 1:], x[:, :1]]
        return torch.tensor(jax.device_get(projector.evaluate(*map(jnp.asarray, columns))))

    run(*run(key, projector))  # compiles
    clock.start()
    while clock.look(u) < clock.limit:
        key, projector = run(key, projector)
    return POINTS, projector.space.ndof


def deepxde(name: str, seed: int, clock: Clock, *, nncg: bool) -> tuple[int, int]:
    """DeepXDE's solve.

    Args:
        name: The problem.
        seed: Of weights and points.
        clock: Judges it.
        nncg: Whether NNCG has the last quarter of the time, or L-BFGS that too.
    """
    import deepxde as dde

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(seed)

    def burgers(x: Tensor, u: Tensor) -> Tensor:
        slope, rate = (dde.grad.jacobian(u, x, i=0, j=j) for j in range(2))
        return rate + u * slope - 0.01 / math.pi * dde.grad.hessian(u, x, i=0, j=0)

    def peak(x: Tensor, u: Tensor) -> Tensor:
        squares = (x - 0.5).square().sum(1, keepdim=True)
        source = (4 * A - 4 * A**2 * squares) * torch.exp(-A * squares)
        return -dde.grad.hessian(u, x, i=0, j=0) - dde.grad.hessian(u, x, i=1, j=1) - source

    def peak_trial(x: Tensor, v: Tensor) -> Tensor:
        return (1 - x.square()).prod(1, keepdim=True) * v

    some: dict[str, Any] = {"num_domain": DEEPXDE_POINTS, "train_distribution": "pseudo"}
    network = dde.nn.FNN([2, *DEEPXDE_HIDDEN, 1], "tanh", "Glorot normal")
    if name == "burgers":
        interval, times = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1)
        domain = dde.geometry.GeometryXTime(interval, times)
        edge = dde.icbc.DirichletBC(domain, lambda x: 0, lambda x, on_edge: on_edge)
        start = dde.icbc.IC(
            domain, lambda x: -np.sin(np.pi * x[:, :1]), lambda x, is_first: is_first
        )
        some |= {"num_boundary": 80, "num_initial": 160}
        data = dde.data.TimePDE(domain, burgers, [edge, start], **some)
    else:
        data = dde.data.PDE(dde.geometry.Rectangle([-1, -1], [1, 1]), peak, [], **some)
        network.apply_output_transform(peak_trial)
    model = dde.Model(data, network)

    class Until(dde.callbacks.Callback):
        """Ends a training when so many seconds are gone."""

        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.end = seconds

        def on_batch_end(self) -> None:
            if clock.look(lambda x: torch.from_numpy(model.predict(x.numpy()))) >= self.end:
                self.model.stop_training = True

    def train(optimizer: str, share: float, *, redraw: int | None = None, **rate: float) -> None:
        end = share * clock.limit
        while clock.gone < end:  # where L-BFGS stalls it begins anew, on other points
            data.resample_train_points(bc_points=False)
            model.compile(optimizer, verbose=0, **rate)
            callbacks = [Until(end)]
            if redraw is not None:
                callbacks.append(dde.callbacks.PDEPointResampler(period=redraw))
            model.train(10**9, display_every=10**9, callbacks=callbacks, verbose=0)

    # A call of 1,000 steps would not look at the clock.
    dde.optimizers.config.LBFGS_options |= {"iter_per_step": 100, "fun_per_step": 125, "gtol": 0.0}
    dde.optimizers.set_NNCG_options(rank=50, mu=1e-1, cgmaxiter=100)
    clock.start()
    train("adam", 0.25, redraw=100, lr=1e-3)
    train("L-BFGS", 0.75 if nncg else 1.0, redraw=10)
    if nncg:
        train("NNCG", 1.0)
    return len(data.train_x_all), sum(p.numel() for p in network.parameters())


SOLVERS: dict[str, Callable[[str, int, Clock], tuple[int, int]]] = {
    "genlab": genlab_default,
    "scimba, natural gradient": partial(
        scimba,
        epochs=5,
        optimizer="ENG",
        resample=True,
        linesearch="armijo",
        adaptive_matrix_regularization=True,
    ),
    "scimba, self-scaled Broyden": partial(
        scimba, epochs=200, optimizer="SS-Broyden", resample=False
    ),
    "DeepXDE, Adam and L-BFGS": partial(deepxde, nncg=False),
    "DeepXDE, Adam, L-BFGS and NNCG": partial(deepxde, nncg=True),
}


def solve(name: str, solver: str, seed: int, limit: float) -> dict[str, Any]:
    """One solve: what it was judged at, and when."""
    torch.set_num_threads(1)
    clock = Clock(judge(PROBLEMS[name]()), limit=limit)
    with redirect_stdout(io.StringIO()):
        points, weights = SOLVERS[solver](name, seed, clock)
    return {
        "seconds": clock.seconds,
        "errors": clock.seen,
        "points": points,
        "weights": weights,
    }


def numbers(found: dict[str, Any], limit: float) -> tuple[float, float, float]:
    """The error when the time is over, the least one until then, and the seconds to the goal."""
    looks = list(zip(found["seconds"], found["errors"], strict=True))
    errors = [error for seconds, error in looks if seconds <= limit] or [math.nan]
    reached = (seconds for seconds, error in looks if seconds <= limit and error <= GOAL)
    return errors[-1], min(errors), min(reached, default=math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", choices=PROBLEMS, action="append")
    parser.add_argument("--solver", choices=SOLVERS, action="append")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--record", type=Path, default=Path("outputs/pinn_peers.json"))
    arguments = parser.parse_args()
    limit = arguments.seconds
    os.environ.update(ONE_THREAD)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    spawn = multiprocessing.get_context("spawn")
    record = read_json(arguments.record) if arguments.record.exists() else {}
    table: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name in arguments.problem or PROBLEMS:
        for seed in range(arguments.seeds):
            for solver in arguments.solver or SOLVERS:
                key = f"{name}, {solver}, {limit:g} s, seed {seed}"
                if key not in record:
                    with ProcessPoolExecutor(1, spawn) as process:
                        record[key] = process.submit(solve, name, solver, seed, limit).result()
                    arguments.record.parent.mkdir(parents=True, exist_ok=True)
                    write_json(arguments.record, record)
                error, least, reached = numbers(record[key], limit)
                print(f"{key}: {error:.2g} (least {least:.2g}), {reached:.3g} s", flush=True)
                table.setdefault((name, solver), []).append(record[key])
    print(
        f"\n| problem | solver | points | weights | error at {limit:g} s | least | seconds to "
        f"{GOAL:g} | error / genlab's | seconds / genlab's |\n|{'---|' * 9}"
    )
    medians = {
        cell: [statistics.median(c) for c in zip(*(numbers(f, limit) for f in found), strict=True)]
        for cell, found in table.items()
    }
    for (name, solver), (error, least, reached) in medians.items():
        own = medians.get((name, "genlab"), [math.nan] * 3)
        ratios = f"{error / own[0]:.3g} | {reached / own[2]:.3g}"
        first = table[name, solver][0]
        print(
            f"| {name} | {solver} | {first['points']} | {first['weights']} | {error:.2g} | "
            f"{least:.2g} | {reached:.3g} | {ratios} |"
        )


if __name__ == "__main__":
    main()

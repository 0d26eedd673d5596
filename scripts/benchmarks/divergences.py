"""A velocity and its exact divergence: by the network's own rule, and as for any network.

By itself, or in log-densities along it, as one writes them by hand.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.func import jacrev, vmap
from torchdiffeq import odeint

from benchmarks.cells import Cell
from benchmarks.ours import EVALUATIONS, model_of
from benchmarks.work import Work, evaluation
from genlab.bijections.by_torchdiffeq import worst_row
from genlab.models import FlowMatching
from genlab.nn import ConcatSquashMLP, ResidualMLP, Velocity

__all__ = ["build"]


class Any(Velocity):
    """A network of whose layers nothing is known."""

    def __init__(self, network: Velocity) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        return self.network(x, t, context)


class Reverse(Any):
    """One whose divergence is the trace of each row's Jacobian, by autograd."""

    def with_divergence(
        self, x: Tensor, t: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        def twice(row: Tensor) -> tuple[Tensor, Tensor]:
            v = self(row[None], t)[0]
            return v, v

        jacobians, v = vmap(jacrev(twice, has_aux=True))(x)
        return v, jacobians.diagonal(dim1=1, dim2=2).sum(1)


def build(cell: Cell, contestant: str) -> Work:
    if cell.subject == "log_prob":
        return log_densities(cell)
    network: Velocity
    match cell.family:
        case "concat_squash":
            network = ConcatSquashMLP((cell.dim,), hidden=[64, 64], activation="silu")
        case "residual":
            network = ResidualMLP((cell.dim,))
        case _:
            network = FlowMatching(cell.dim, circular="all").network
    kind = {"forward mode": Any, "reverse mode": Reverse}.get(contestant)
    network = network if kind is None else kind(network)
    return Work(
        partial(network.with_divergence, torch.randn(cell.batch, cell.dim), torch.tensor(0.3))
    )


def log_densities(cell: Cell) -> Work:
    """The same steps as the model's own solver takes, with the trace at each of their stages."""
    model, x = model_of(cell), torch.randn(cell.batch, cell.dim)
    model.initialise(x)
    model.eval()
    velocity, solver, calls = Reverse(model.ode.velocity), model.ode.evaluation, [0]
    times = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def field(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        calls[0] += 1
        return velocity.with_divergence(state[0], t)

    def log_prob() -> Tensor:
        calls[0] = 0
        z, integral = odeint(
            field,
            (x, x.new_zeros(len(x))),
            times,
            method=solver.method,
            rtol=solver.rtol,
            atol=solver.atol,
            options={"norm": worst_row, "step_t": times[1:], "dtype": times.dtype},
        )
        work.notes[EVALUATIONS] = calls[0]
        found: Tensor = model.base.log_prob(z[-1]) + integral[-1]
        return found

    work = evaluation(log_prob)
    return work

"""torchcfm's side: its conditional flow matching, with genlab's own network.

Its samples follow the ODE by torchdiffeq's midpoint rule, in as many steps.
"""

from __future__ import annotations

import torch
from torchcfm import ConditionalFlowMatcher
from torchdiffeq import odeint

from benchmarks.cells import Cell
from benchmarks.work import Work, adam_step, evaluation
from genlab.nn import ResidualMLP

__all__ = ["build"]


def build(cell: Cell, contestant: str) -> Work:
    network = ResidualMLP((cell.dim,))
    if cell.subject == "step":
        x, matcher = torch.randn(cell.batch, cell.dim), ConditionalFlowMatcher(sigma=0.0)

        def loss() -> torch.Tensor:
            t, between, speed = matcher.sample_location_and_conditional_flow(torch.randn_like(x), x)
            return (network(between, t) - speed).square().mean()

        return adam_step(network, loss)
    if cell.subject == "sample":
        times = torch.linspace(0, 1, (cell.steps or 20) + 1)

        def sample() -> torch.Tensor:
            noise = torch.randn(cell.batch, cell.dim)
            return odeint(lambda t, x: network(x, t), noise, times, method="midpoint")[-1]

        return evaluation(sample)
    return _log_prob(network, cell)


def _log_prob(network: ResidualMLP, cell: Cell) -> Work:
    """The ODE backwards, with the trace of each sample's Jacobian, as its examples find it."""
    x = torch.randn(cell.batch, cell.dim)
    jacobians = torch.func.vmap(
        torch.func.jacrev(lambda x, t: network(x[None], t)[0]), in_dims=(0, None)
    )

    def speed(t: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return network(state[0], t), jacobians(state[0], t).diagonal(dim1=1, dim2=2).sum(1)

    def log_prob() -> torch.Tensor:
        times, start = torch.tensor([1.0, 0.0]), (x, torch.zeros(cell.batch))
        z, change = odeint(speed, start, times, method="dopri5", rtol=1e-5, atol=1e-5)
        base = torch.distributions.Normal(0.0, 1.0)
        return base.log_prob(z[-1]).sum(1) + change[-1]

    return evaluation(log_prob)

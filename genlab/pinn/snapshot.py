"""Fields of a stage on a grid: residual, indicator, density and error."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde import Grid, Problem, grid_divergence
from genlab.pinn.indicators import Criterion
from genlab.pinn.network import Frame, Network
from genlab.pinn.stage import Stage
from genlab.samplers import Points, Sampler

__all__ = ["SIZE", "Snapshots", "weights_of"]

SIZE = 100
"""Grid points a side."""


class Snapshots:
    """Takes stages, with fields on a grid where the domain lies in the plane.

    Args:
        problem: What is solved.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._prepared: tuple[Grid, Frame] | None = None

    @torch.no_grad()
    def take(
        self, step: int, network: Network, indicator: Criterion, sampler: Sampler, points: Points
    ) -> Stage:
        """The stage of a network and of the points that a sampler chose by it."""
        weight = weights_of(points, sampler.domain.log_uniform)
        x = points.x.cpu()
        if self.problem.dim != 2:
            return Stage(step, x, weight)
        grid, frame = self._on_grid(network)
        u = network.jet(frame)
        residual = network.residual(frame, u)
        h = indicator(u, residual)
        log_q = sampler.log_prob(frame.x.float().cpu())
        error = None
        if self.problem.has_exact:
            error = (u.value - self.problem.exact(frame.x)).abs()
        return Stage(
            step,
            x,
            weight,
            residual=grid.field(residual.square()),
            indicator=grid.field(grid.normalised(h)),
            density=None if log_q is None else grid.field(log_q.exp()),
            error=None if error is None else grid.field(error),
        )

    def kl(self, stage: Stage) -> float | None:
        """``KL(h / Z || q)`` by the sum over the grid; None where there is no density."""
        if stage.indicator is None or stage.density is None:
            return None
        return grid_divergence(stage.indicator, stage.density)

    def _on_grid(self, network: Network) -> tuple[Grid, Frame]:
        """The grid, and the network's frame of its points in the domain, prepared once."""
        if self._prepared is None:
            grid = Grid(self.problem.domain, SIZE)
            self._prepared = grid, network.frame(network.cast(grid.x))
        return self._prepared


def weights_of(points: Points, log_uniform: float) -> Float[Tensor, " n"]:
    """The weight ``1 / (|Omega| q)`` of each point in the loss; 1 where ``q`` is not known."""
    if points.log_q is None:
        return torch.ones(len(points.x))
    return (log_uniform - points.log_q).exp().float().cpu()

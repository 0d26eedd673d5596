"""Pictures of a stage on a grid, as numbers: residual, indicator, density and error."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde import Problem
from genlab.pinn.indicators import Indicator
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
        self._frame: Frame | None = None

    @torch.no_grad()
    def take(
        self, step: int, network: Network, indicator: Indicator, sampler: Sampler, points: Points
    ) -> Stage:
        """The stage of a network and of the points that a sampler chose by it."""
        weight = weights_of(points, sampler.domain.log_uniform)
        x = points.x.cpu()
        if self.problem.dim != 2:
            return Stage(step, x, weight)
        frame = self._grid(network)
        u = network.jet(frame)
        residual = network.residual(frame, u)
        h = indicator(u, residual)
        log_q = sampler.log_prob(frame.x.float().cpu())
        error = None
        if self.problem.has_exact:
            error = (u.value - self.problem.exact(frame.x)).abs()
        cell = self.problem.domain.volume / len(frame.x)
        return Stage(
            step,
            x,
            weight,
            residual=self._field(residual.square()),
            indicator=self._field(h / (h.sum() * cell)),
            density=None if log_q is None else self._field(log_q.exp()),
            error=None if error is None else self._field(error),
        )

    def kl(self, stage: Stage) -> float | None:
        """``KL(h / Z || q)`` by the sum over the grid; None where there is no density."""
        if stage.indicator is None or stage.density is None:
            return None
        target, density = stage.indicator.double(), stage.density.double()
        inside = target.isfinite() & (target > 0)
        target, density = target[inside], density[inside]
        share = target / target.sum()
        return float((share * (target / density.clamp_min(1e-30)).log()).sum())

    def _grid(self, network: Network) -> Frame:
        """The nodes inside the domain, prepared once."""
        if self._frame is None:
            nodes = self.problem.domain.grid(SIZE)
            self._inside = self.problem.domain.contains(nodes)
            self._frame = network.frame(network.cast(nodes[self._inside]))
        return self._frame

    def _field(self, values: Float[Tensor, " k"]) -> Float[Tensor, "size size"]:
        field = torch.full((SIZE**2,), torch.nan)
        field[self._inside] = values.float().cpu()
        return field.view(SIZE, SIZE)


def weights_of(points: Points, log_uniform: float) -> Float[Tensor, " n"]:
    """The weight ``1 / (|Omega| q)`` of each point in the loss; 1 where ``q`` is not known."""
    if points.log_q is None:
        return torch.ones(len(points.x))
    return (log_uniform - points.log_q).exp().float().cpu()

"""Uniform points."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.pde.domain import Domain
from genlab.samplers.sampler import Indicator, Points, Sampler

__all__ = ["Uniform"]


class Uniform(Sampler):
    """Independent points ``x ~ 1 / |Omega|``, drawn once or at every refresh.

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points.
        seed: Seed of all draws.
        resample: Draw fresh points at every refresh.
    """

    def __init__(
        self, *, domain: Domain, n_points: PositiveInt, seed: NonNegativeInt, resample: bool
    ) -> None:
        super().__init__(domain=domain, n_points=n_points, seed=seed)
        self.resample = resample

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        return self._uniform(self.n_points, "points") if self.resample else points

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return x.new_full((len(x),), self.domain.log_uniform)

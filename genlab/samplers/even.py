"""What the samplers share whose points are uniform on the domain, each for itself."""

from __future__ import annotations

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.pde.domain import Domain
from genlab.samplers.sampler import Indicator, Points, Sampler

__all__ = ["EvenSampler"]


class EvenSampler(Sampler):
    """Points ``x ~ 1 / |Omega|``, spread once or at every refresh; subclasses implement `_spread`.

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

    @abstractmethod
    def _spread(self) -> Points:
        """As many points as asked for, of the present round."""

    def _first(self) -> Points:
        return self._spread()

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        return self._spread() if self.resample else points

    def _redraw(self, points: Points) -> Points:
        return self._spread() if self.resample else points

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return x.new_full((len(x),), self.domain.log_uniform)

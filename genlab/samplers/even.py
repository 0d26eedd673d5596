"""What the samplers share whose points are uniform on the domain, each for itself."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from genlab.samplers.sampler import Indicator, Points, Sampler

__all__ = ["EvenSampler"]


@dataclass(kw_only=True, eq=False, repr=False)
class EvenSampler(Sampler):
    """Points ``x ~ 1 / |Omega|``, spread once or at every refresh; subclasses implement `_spread`.

    Attributes:
        resample: Draw fresh points at every refresh.
    """

    resample: bool

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

"""Uniform points."""

from __future__ import annotations

from genlab.samplers.even import EvenSampler
from genlab.samplers.sampler import Points

__all__ = ["Uniform"]


class Uniform(EvenSampler):
    """Independent points ``x ~ 1 / |Omega|``, drawn once or at every refresh."""

    def _first(self) -> Points:
        # Those that the adaptive samplers start from too.
        return self._uniform(self.n_points, "first")

    def _spread(self) -> Points:
        return self._uniform(self.n_points, "points")

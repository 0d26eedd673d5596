"""RAD: residual-based adaptive distribution."""

from __future__ import annotations

from dataclasses import dataclass

from genlab.samplers.residual_based import ResidualSampler
from genlab.samplers.sampler import Indicator, Points

__all__ = ["RAD"]


@dataclass(kw_only=True, eq=False, repr=False)
class RAD(ResidualSampler):
    """Draws all points anew at every refresh (Wu et al., 2023, algorithm 1).

    Attributes:
        weighted: Count each point by one over its density, and draw with replacement, so that this
            is its density. The paper counts all the same, and draws none twice.

    Raises:
        ValueError: There are fewer candidates than points.
    """

    weighted: bool

    def __post_init__(self) -> None:
        if self.candidates < self.n_points:
            raise ValueError(
                f"candidates={self.candidates}: expected at least the {self.n_points} points"
            )

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, density = self._choose(self.n_points, indicator, repeat=self.weighted)
        log_q = density.log() + self.domain.log_uniform
        return Points(x, log_q.to(x) if self.weighted else None)

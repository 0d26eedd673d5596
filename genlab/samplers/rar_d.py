"""RAR-D: residual-based adaptive refinement with a distribution."""

from __future__ import annotations

import torch

from genlab.bounds import NonNegative, NonNegativeInt, PositiveInt
from genlab.pde.domain import Domain
from genlab.samplers.rad import residual_distribution
from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated

__all__ = ["RARD"]


class RARD(Sampler):
    """Adds points to those before, drawn as in RAD; the paper takes ``k = 2``, ``c = 0``.

    Wu, Zhu, Tan, Kartha, Lu, "A comprehensive study of non-adaptive and residual-based adaptive
    sampling for physics-informed neural networks" (2023), algorithm 2.

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points to start from.
        seed: Seed of all draws.
        candidates: Uniform points at which a refresh looks at the indicator.
        added: Points that a refresh adds.
        k: How much they crowd where the residual is large.
        c: How many are spread evenly.

    Raises:
        ValueError: There are fewer candidates than points to add.
    """

    grows = True

    def __init__(
        self,
        *,
        domain: Domain,
        n_points: PositiveInt,
        seed: NonNegativeInt,
        candidates: PositiveInt,
        added: PositiveInt,
        k: NonNegative,
        c: NonNegative,
    ) -> None:
        if candidates < added:
            raise ValueError(f"candidates={candidates}: expected at least added={added}")
        super().__init__(domain=domain, n_points=n_points, seed=seed)
        self.candidates = candidates
        self.added = added
        self.k = k
        self.c = c

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        generator = self._generator("candidates")
        x = self.domain.sample(self.candidates, generator=generator)
        density = residual_distribution(evaluated(indicator, x), k=self.k, c=self.c)
        # Where the residual is exactly 0 nothing is to be gained, but somewhere points must lie.
        density = density.clamp(min=torch.finfo(density.dtype).tiny)
        chosen = torch.multinomial(density, self.added, generator=generator)
        return Points(torch.cat((points.x, x[chosen].to(points.x))), None)

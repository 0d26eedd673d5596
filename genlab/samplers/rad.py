"""RAD: residual-based adaptive distribution."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative, NonNegativeInt, PositiveInt
from genlab.pde.domain import Domain
from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated

__all__ = ["RAD", "residual_distribution"]


class RAD(Sampler):
    """Draws all points from dense uniform candidates with ``P(x) ~ e(x)^k / mean e^k + c``.

    ``e = sqrt h``, which is ``|r|`` for the squared residual (Wu, Zhu, Tan, Kartha, Lu, "A
    comprehensive study of non-adaptive and residual-based adaptive sampling for physics-informed
    neural networks", 2023, equation 2 and algorithm 1).

    Args:
        domain: Where the PDE holds.
        n_points: Number of collocation points.
        seed: Seed of all draws.
        candidates: Uniform points at which a refresh looks at the indicator.
        k: How much the points crowd where the residual is large.
        c: How many are spread evenly.
        weighted: Count each point by one over its density, and draw with replacement, so that this
            is its density. The paper counts all the same, and draws none twice.

    Raises:
        ValueError: There are fewer candidates than points.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        n_points: PositiveInt,
        seed: NonNegativeInt,
        candidates: PositiveInt,
        k: NonNegative,
        c: NonNegative,
        weighted: bool,
    ) -> None:
        if candidates < n_points:
            raise ValueError(f"candidates={candidates}: expected at least the {n_points} points")
        super().__init__(domain=domain, n_points=n_points, seed=seed)
        self.candidates = candidates
        self.k = k
        self.c = c
        self.weighted = weighted

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        generator = self._generator("candidates")
        x = self.domain.sample(self.candidates, generator=generator)
        density = residual_distribution(evaluated(indicator, x), k=self.k, c=self.c)
        # Without replacement, as in the paper, many of few candidates are not spread as they say.
        chosen = torch.multinomial(density, self.n_points, self.weighted, generator=generator)
        log_q = density[chosen].log() + self.domain.log_uniform
        return Points(x[chosen], log_q.to(x) if self.weighted else None)


def residual_distribution(h: Float[Tensor, " n"], *, k: float, c: float) -> Float[Tensor, " n"]:
    """``(e^k / mean e^k + c) / (1 + c)`` with ``e = sqrt h``: a density relative to the uniform.

    Args:
        h: The indicator at uniform points, in float64; where it is 0 at all of them, so that none
            is preferred, the density is 1.
        k: Exponent.
        c: Uniform share, relative to the other.
    """
    if not h.any():
        return torch.ones_like(h)
    # Relative to the largest, no power overflows.
    power = (h / h.max()).pow(k / 2)
    return (power / power.mean() + c) / (1 + c)

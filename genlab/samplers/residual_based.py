"""What RAD and RAR-D share: a density of the residual, on dense uniform candidates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative, PositiveInt
from genlab.samplers.sampler import Indicator, Sampler, evaluated

__all__ = ["ResidualSampler", "residual_distribution"]


@dataclass(kw_only=True, eq=False, repr=False)
class ResidualSampler(Sampler):
    """Draws from uniform candidates with ``P(x) ~ e(x)^k / mean e^k + c``, where ``e = sqrt h``.

    ``e`` is ``|r|`` for the squared residual (Wu, Zhu, Tan, Kartha, Lu, "A comprehensive study of
    non-adaptive and residual-based adaptive sampling for physics-informed neural networks", 2023,
    equation 2).

    Attributes:
        candidates: Uniform points at which a refresh looks at the indicator.
        k: How much the points crowd where the residual is large.
        c: How many are spread evenly.
    """

    candidates: PositiveInt
    k: NonNegative
    c: NonNegative

    def _choose(
        self, n: int, indicator: Indicator, *, repeat: bool = False
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        """Some of fresh candidates, and their density relative to the uniform one.

        Args:
            n: Number of points.
            indicator: ``h``.
            repeat: Draw with replacement, so that this is their density. Without, as in the paper,
                many of few candidates are not spread as they say.
        """
        generator = self._generator("candidates")
        x = self.domain.sample(self.candidates, generator=generator)
        density = residual_distribution(evaluated(indicator, x), k=self.k, c=self.c)
        # Where the residual is exactly 0 nothing is to be gained, but somewhere points must lie.
        density = density.clamp(min=torch.finfo(density.dtype).tiny)
        chosen = torch.multinomial(density, n, repeat, generator=generator)
        return x[chosen], density[chosen]


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

"""Samplers that look at the residual and learn no model: RAD, RAR-D and R3."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative, PositiveInt
from genlab.samplers.sampler import Indicator, Points, Sampler, evaluated

__all__ = ["R3", "RAD", "RARD", "ResidualSampler", "residual_distribution"]


@dataclass(kw_only=True, eq=False, repr=False)
class ResidualSampler(Sampler):
    """Draws from uniform candidates with ``P(x) ~ e(x)^k / mean e^k + c``, where ``e = sqrt h``.

    ``e`` is ``|r|`` for the squared residual (Wu, Zhu, Tan, Kartha, Lu, "A comprehensive study of
    non-adaptive and residual-based adaptive sampling for physics-informed neural networks", 2023,
    arXiv:2207.10289, equation 2).

    Attributes:
        candidates: Uniform points at which a refresh looks at the indicator.
        k: How much the points crowd where the residual is large.
        c: How many are spread evenly.
    """

    candidates: PositiveInt = 20_000
    k: NonNegative = 1.0
    c: NonNegative = 1.0

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


@dataclass(kw_only=True, eq=False, repr=False)
class RAD(ResidualSampler):
    """RAD: draws all points anew at every refresh (Wu et al., 2023, arXiv:2207.10289, algorithm 1).

    >>> from genlab.pde import Box
    >>> sampler = RAD(domain=Box([(-1, 1)]), n_points=500, c=0.0)
    >>> points = sampler.refresh(None, lambda x: x[:, 0] ** 2)
    >>> points = sampler.refresh(points, lambda x: x[:, 0] ** 2)
    >>> round(points.x.abs().mean().item(), 1)  # of the density |x|: 2/3
    0.7

    Attributes:
        weighted: Count each point by one over its density, and draw with replacement, so that this
            is its density. The paper counts all the same, and draws none twice.

    Raises:
        ValueError: There are fewer candidates than points.
    """

    weighted: bool = False

    def __post_init__(self) -> None:
        if self.candidates < self.n_points:
            raise ValueError(
                f"candidates={self.candidates}: expected at least the {self.n_points} points"
            )

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, density = self._choose(self.n_points, indicator, repeat=self.weighted)
        log_q = density.log() + self.domain.log_uniform
        return Points(x, log_q.to(x) if self.weighted else None)


@dataclass(kw_only=True, eq=False, repr=False)
class RARD(ResidualSampler):
    """RAR-D: adds points to those before (Wu et al., 2023, arXiv:2207.10289, algorithm 2).

    >>> from genlab.pde import Box
    >>> sampler = RARD(domain=Box([(-1, 1)]), n_points=100, added=50)
    >>> points = sampler.refresh(None, lambda x: x[:, 0] ** 2)
    >>> sampler.refresh(points, lambda x: x[:, 0] ** 2).x.shape
    torch.Size([150, 1])

    Attributes:
        added: Points that a refresh adds.

    Raises:
        ValueError: There are fewer candidates than points to add.
    """

    k: NonNegative = 2.0
    c: NonNegative = 0.0
    added: PositiveInt = 50

    def __post_init__(self) -> None:
        if self.candidates < self.added:
            raise ValueError(f"candidates={self.candidates}: expected at least added={self.added}")

    @property
    def grows(self) -> bool:
        return True

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        x, _ = self._choose(self.added, indicator)
        return Points(torch.cat((points.x, x.to(points.x))), None)


@dataclass(kw_only=True, eq=False, repr=False)
class R3(Sampler):
    """R3: retains the points where ``|r|`` exceeds its mean, draws the others anew, uniformly.

    ``|r| = sqrt h``. What is retained piles up where the residual stays large, and is released
    where it falls (Daw, Bu, Wang, Perdikaris, Karpatne, "Mitigating propagation failures in
    physics-informed neural networks using retain-resample-release (R3) sampling", 2023,
    arXiv:2207.02338, algorithm 1).

    >>> from genlab.pde import Box
    >>> sampler = R3(domain=Box([(-1, 1)]), n_points=100)
    >>> points = sampler.refresh(None, lambda x: (x[:, 0] > 0).float())
    >>> following = sampler.refresh(points, lambda x: (x[:, 0] > 0).float())
    >>> sampler.retained == (points.x > 0).float().mean()
    tensor(True)

    Attributes:
        retained: The share of points that stayed at the last refresh.
    """

    retained: float = field(init=False, default=0.0)

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        size = evaluated(indicator, points.x).sqrt()
        kept = points.x[size > size.mean()]
        fresh = self._uniform(len(points.x) - len(kept), "points").x
        self.retained = len(kept) / len(points.x)
        return Points(torch.cat((kept, fresh.to(kept))), None)

    def metrics(self) -> dict[str, float]:
        """``sampler/retained``: the share of points that stayed."""
        return {"sampler/retained": self.retained}

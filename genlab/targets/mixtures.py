"""Mixtures of equal round Gaussians."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.targets.blurred import BlurredTarget
from genlab.targets.exact import ExactTarget
from genlab.targets.gaussian_mixture import log_round_mixture
from genlab.targets.quadrature import gauss_legendre

__all__ = ["Diamond", "EightGaussians"]


class EightGaussians(BlurredTarget):
    """Eight equal Gaussians on a circle (the toy of FFJORD, Grathwohl et al. 2019).

    ``p(x) = 1/8 sum_k N(x; radius e_k, std^2 I)`` with ``e_k`` at the multiples of 45 degrees.

    Args:
        radius: Distance of the centres from the origin.
        std: Standard deviation of each Gaussian.
    """

    terms = 8
    centres: Float[Tensor, "8 2"]

    def __init__(self, *, radius: Positive = 4 / 1.414, std: Positive = 0.5 / 1.414) -> None:
        super().__init__(extent=radius, scale=std)
        self.std = std
        angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
        centres = radius * torch.stack((angles.cos(), angles.sin()), 1)
        self.register_buffer("centres", centres, persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(8, (n,), generator=generator, device=self.device)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return self.centres[which].float() + self.std * noise

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        log_weights = torch.full((8,), -math.log(8), dtype=torch.float64)
        return log_round_mixture(x, self.centres, log_weights, self.std)


class Diamond(ExactTarget):
    """A square lattice of Gaussians, turned by 45 degrees (as in Neural Spline Flows, Durkan 2019).

    Along the two diagonals the coordinates are independent, each a mixture on the line of equal
    Gaussians about ``linspace(-width, width, modes)``.

    Args:
        modes: Number of Gaussians along a side.
        width: Half the side of the lattice.
        std: Standard deviation of each Gaussian.
    """

    centres: Float[Tensor, "k 1"]

    def __init__(
        self, *, modes: PositiveInt = 20, width: Positive = 2.5, std: Positive = 0.04
    ) -> None:
        super().__init__()
        self.modes = modes
        self.width = width
        self.std = std
        self.terms = modes
        self.bound = math.sqrt(2) * width + 4 * std
        centres = torch.linspace(-width, width, modes, dtype=torch.float64)[:, None]
        self.register_buffer("centres", centres, persistent=False)

    @cached_property
    def entropy(self) -> float:  # type: ignore[override]
        """Twice the entropy along one diagonal, by quadrature on the line."""
        end = self.width + 8 * self.std
        points, weights = gauss_legendre(-end, end, math.ceil(8 * end / self.std))
        return 2 * float(weights @ torch.special.entr(self._log_prob_line(points).exp()))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        which = torch.randint(self.modes, (n, 2), generator=generator, device=self.device)
        noise = torch.randn(n, 2, generator=generator, device=self.device)
        return _turn(self.centres[which, 0].float() + self.std * noise)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        u = _turn(x)
        return self._log_prob_line(u[:, 0]) + self._log_prob_line(u[:, 1])

    def _log_prob_line(self, u: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        log_weights = torch.full((self.modes,), -math.log(self.modes), dtype=torch.float64)
        return log_round_mixture(u[:, None], self.centres, log_weights, self.std)


def _turn(x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Turn by 45 degrees and mirror, which is its own inverse."""
    return torch.stack((x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]), 1) / math.sqrt(2)

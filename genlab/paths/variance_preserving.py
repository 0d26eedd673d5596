"""The path of variance-preserving diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive
from genlab.paths.path import Coefficients, Path

__all__ = ["VariancePreservingPath"]

# At s = 0 the noise vanishes like the root of s, and its speed has no bound.
SMALLEST = 1e-5


@dataclass(frozen=True, kw_only=True)
class VariancePreservingPath(Path):
    """``x_t = alpha x_1 + sqrt(1 - alpha^2) x_0`` with ``alpha = exp(-T(1 - t) / 2)``.

    ``T(s) = s beta_min + s^2 (beta_max - beta_min) / 2`` (Lipman et al. 2023, equations 18 and 19;
    Song et al. 2021). At t = 0 a trace of the data is left, ``alpha = exp(-T(1) / 2)``. Times are
    kept 1e-5 away from 1, where the speed is infinite.

    Attributes:
        beta_min: Rate of the diffusion at the data.
        beta_max: Rate of the diffusion at the noise.
    """

    beta_min: Positive
    beta_max: Positive

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        s = (1 - t).clamp_min(SMALLEST)
        slope = self.beta_max - self.beta_min
        beta, integral = self.beta_min + slope * s, self.beta_min * s + 0.5 * slope * s.square()
        alpha, sigma = (-0.5 * integral).exp(), torch.expm1(-integral).neg().sqrt()
        d_alpha = 0.5 * beta * alpha
        return Coefficients(alpha, sigma, d_alpha, -alpha * d_alpha / sigma)

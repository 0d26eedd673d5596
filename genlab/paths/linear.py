"""The straight path."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Fraction
from genlab.paths.path import Coefficients, Path

__all__ = ["LinearPath"]


@dataclass(frozen=True, kw_only=True)
class LinearPath(Path):
    """``x_t = t x_1 + (1 - t + sigma_0 t) x_0``: each point at constant speed.

    The speed is ``x_1 - (1 - sigma_0) x_0`` (Lipman et al. 2023, equation 23, with ``sigma_0`` for
    their ``sigma_min``); ``sigma_0 = 0`` is the rectified flow of Liu et al. (2023).

    Attributes:
        sigma_0: Width of the blur that is left round each data point at t = 1, relative to the
            source.
    """

    sigma_0: Fraction

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        speed = 1 - self.sigma_0
        return Coefficients(t, 1 - speed * t, torch.ones_like(t), torch.full_like(t, -speed))

"""The path along a quarter of a circle."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from genlab.paths.path import Coefficients, Path

__all__ = ["CosinePath"]


@dataclass(frozen=True, kw_only=True)
class CosinePath(Path):
    """``x_t = sin(pi t / 2) x_1 + cos(pi t / 2) x_0``, which preserves a common variance.

    The trigonometric interpolant of Albergo and Vanden-Eijnden, "Building normalizing flows with
    stochastic interpolants" (2023).
    """

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        quarter = math.pi / 2
        sin, cos = (quarter * t).sin(), (quarter * t).cos()
        return Coefficients(sin, cos, quarter * cos, -quarter * sin)

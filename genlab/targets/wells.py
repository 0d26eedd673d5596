"""Two potentials of computational chemistry with well-separated wells."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.energies import SmoothEnergy

__all__ = ["DoubleWell", "MuellerBrown"]

# A, a, b, c, x0, y0 of each term of the Mueller-Brown potential.
MUELLER_BROWN = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


# The exponent above which that potential goes on along the tangent, far outside of its wells.
STEEP = 20.0


class DoubleWell(SmoothEnergy):
    """``U = x^4 - 6 x^2 - x / 2 + y^2 / 2`` (Noe et al. 2019, Boltzmann generators)."""

    def __init__(self) -> None:
        super().__init__(((-4.2, 4.2), (-9.0, 9.0)), scale=0.2)

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        square = x[:, 0].square()
        return square * (square - 6) - x[:, 0] / 2 + x[:, 1].square() / 2


class MuellerBrown(SmoothEnergy):
    """The Mueller-Brown potential at temperature 10, ``U = V / 10`` (Mueller and Brown 1979).

    ``V = sum_i A_i exp(a_i (x - x_i)^2 + b_i (x - x_i) (y - y_i) + c_i (y - y_i)^2)``. Where an
    exponent is so large that no mass is left in double precision, its tangent keeps V finite.
    """

    bound = 2.0

    def __init__(self) -> None:
        super().__init__(((-2.5, 2.0), (-1.25, 3.0)), scale=0.06)

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        energy = torch.zeros_like(x[:, 0])
        for height, a, b, c, x0, y0 in MUELLER_BROWN:
            dx, dy = x[:, 0] - x0, x[:, 1] - y0
            exponent = dx * (a * dx + b * dy) + c * dy.square()
            beyond = (exponent - STEEP).clamp_min(0)
            energy = energy + height / 10 * exponent.clamp_max(STEEP).exp() * (1 + beyond)
        return energy

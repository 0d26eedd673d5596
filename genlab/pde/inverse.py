"""An equation that is not known in full: its coefficient is found from measurements."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.pde.boundary import Faces
from genlab.pde.coefficients import Coefficient
from genlab.pde.conditions import Condition, Measured
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box
from genlab.pde.problem import Problem
from genlab.randomness import generator

__all__ = ["InverseDiffusion"]

WEIGHT = 1e-7
"""Of a standard deviation of a measurement, against the mean squared residual: so little that ten
times less moves the diffusivity by a hundredth of its standard error."""


class InverseDiffusion(Problem):
    """``u_t = D u_xx`` on ``[0, 1] x [0, 1]``, its diffusivity found from noisy values of ``u``.

    ``u(x, 0) = sin(pi x) + sin(2 pi x)``, zero at both ends, so that ``u`` is the sum of
    ``sin(k pi x) exp(-D k^2 pi^2 t)``. The data are ``y_j = u(x_j) + sigma N(0, 1)`` at uniform
    points (the inverse problems of Raissi, Perdikaris, Karniadakis, "Physics-informed neural
    networks", 2019, doi:10.1016/j.jcp.2018.10.045).

    >>> problem = InverseDiffusion()
    >>> problem.x.shape, problem.coefficients["D"].exact, round(problem.cramer_rao(), 5)
    (torch.Size([50, 2]), 0.1, 0.00052)

    Args:
        D: The true diffusivity, that the data are made with.
        start: The diffusivity from which it is sought.
        sigma: Standard deviation of a measurement.
        measurements: Number of them.
        noise_seed: Seed of their places and errors.
        n_points: Collocation points that a solution is sought with.

    Attributes:
        x: Where it was measured, ``[m, 2]``.
        y: What was measured, ``[m]``.
    """

    def __init__(
        self,
        *,
        D: Positive = 0.1,  # noqa: N803
        start: Positive = 0.3,
        sigma: Positive = 0.01,
        measurements: PositiveInt = 50,
        noise_seed: NonNegativeInt = 0,
        n_points: PositiveInt = 1000,
    ) -> None:
        box = Box([(0.0, 1.0), (0.0, 1.0)])
        faces = Faces(box, [(0, "low"), (0, "high"), (1, "low")])
        super().__init__(box, faces, n_points=n_points, space=1)
        self.coefficients = {"D": Coefficient(start, exact=D)}
        self.D, self.sigma = D, sigma
        draw = generator(noise_seed, "measurements")
        self.x = box.sample(measurements, generator=draw, dtype=torch.float64)
        noise = torch.randn(measurements, generator=draw, dtype=torch.float64)
        self.y = self.exact(self.x) + sigma * noise

    def operator(
        self,
        x: Float[Tensor, "n 2"],
        u: Jet,
        D: Float[Tensor, " n"],  # noqa: N803
    ) -> Float[Tensor, " n"]:
        return u.gradient[:, 1] - D * u.laplacian

    def conditions(self) -> tuple[Condition, ...]:
        return (Measured(self.x, self.y, sigma=self.sigma, weight=WEIGHT),)

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return self._series(x).sum(0)

    def prescribed(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        angle = math.pi * x[:, 0]
        inside = (x[:, 0] > 0) & (x[:, 0] < 1)
        return torch.where(inside, torch.sin(angle) + torch.sin(2 * angle), 0.0)

    def sensitivity(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """``s = du / dD``, which solves ``s_t = D s_xx + u_xx`` and is zero on the boundary."""
        rates = torch.tensor([[1.0], [4.0]], dtype=x.dtype) * math.pi**2
        return (-rates * x[:, 1] * self._series(x)).sum(0)

    def cramer_rao(self) -> float:
        """``sigma / (sum_j s(x_j)^2)^(1/2)``, the least standard error of an unbiased ``D``.

        Of normal errors, by the solution `sensitivity` of the sensitivity equation (Cramer,
        "Mathematical methods of statistics", 1946, section 32.3).
        """
        return self.sigma / float(self.sensitivity(self.x).norm())

    def _series(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, "2 n"]:
        terms = [
            torch.sin(k * math.pi * x[:, 0]) * torch.exp(-self.D * (k * math.pi) ** 2 * x[:, 1])
            for k in (1, 2)
        ]
        return torch.stack(terms)

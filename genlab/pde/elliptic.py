"""Elliptic problems: narrow peaks, which uniform points rarely meet, and a re-entrant corner.

`Peak`, `TwoPeaks`, `Linear10` and `Nonlinear10` are those of Tang, Wan, Yang, "DAS-PINNs: a deep
adaptive sampling method for solving high-dimensional partial differential equations" (2023,
arXiv:2112.14038).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.pde.boundary import Faces, WholeBoundary
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box
from genlab.pde.problem import SIDE, Problem
from genlab.pde.shapes import Disk, LShape

__all__ = ["Corner", "DiskPeak", "Linear10", "Nonlinear10", "Peak", "TwoPeaks"]


class OnSquare(Problem):
    """A problem on ``[-1, 1]^2`` with Gaussian peaks of one sharpness.

    Args:
        A: Sharpness of the peaks, whose standard deviation is ``(2 A)^(-1/2)``.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, A: Positive = 100.0, n_points: PositiveInt = 500) -> None:  # noqa: N803
        box = Box([(-1.0, 1.0)] * 2)
        super().__init__(box, Faces(box), n_points=n_points)
        self.A = A


class Peak(OnSquare):
    """``-lap u = f`` on ``[-1, 1]^2``, ``u = exp(-A |x - c|^2)`` with ``c = (1/2, 1/2)``.

    One peak, of Tang, Wan, Yang (2023, arXiv:2112.14038).

    >>> Peak(A=1000.0).exact(torch.tensor([[0.5, 0.5], [0.5, 0.0]]))
    tensor([1., 0.])

    Args:
        A: Sharpness of the peak, whose standard deviation is ``(2 A)^(-1/2)``.
        n_points: Collocation points that a solution is sought with.
    """

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian

    def source(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        squares = (x - 0.5).square().sum(1)
        return (4 * self.A - 4 * self.A**2 * squares) * torch.exp(-self.A * squares)

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return torch.exp(-self.A * (x - 0.5).square().sum(1))


class TwoPeaks(OnSquare):
    """``-div(u grad |x|^2) + lap u = f`` on ``[-1, 1]^2``, peaks at ``(1/2, 1/2)`` and opposite.

    Two peaks, of Tang, Wan, Yang (2023, arXiv:2112.14038).

    >>> TwoPeaks().exact(torch.tensor([[0.5, 0.5], [-0.5, -0.5], [0.0, 0.0]]))
    tensor([1., 1., 0.])

    Args:
        A: Sharpness of the peaks, whose standard deviation is ``(2 A)^(-1/2)``.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, A: Positive = 1000.0, n_points: PositiveInt = 2000) -> None:  # noqa: N803
        super().__init__(A=A, n_points=n_points)

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return u.laplacian - 4 * u.value - 2 * (x * u.gradient).sum(1)

    def source(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        a, total = self.A, torch.zeros_like(x[:, 0])
        for c in (0.5, -0.5):
            squares, along = (x - c).square().sum(1), (x * (x - c)).sum(1)
            factor = 4 * a**2 * squares - 4 * a + 4 * a * along - 4
            total = total + factor * torch.exp(-a * squares)
        return total

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return sum(
            (torch.exp(-self.A * (x - c).square().sum(1)) for c in (0.5, -0.5)),
            torch.zeros_like(x[:, 0]),
        )


class Linear10(Problem):
    """``-lap u = f`` on ``[-1, 1]^d``, ``u = exp(-10 |x|^2)``.

    The linear problem in ten dimensions of Tang, Wan, Yang (2023, arXiv:2112.14038).

    >>> problem = Linear10(dim=3)
    >>> problem.dim, problem.exact(torch.zeros(1, 3))
    (3, tensor([1.]))

    Args:
        dim: Number of coordinates.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, dim: PositiveInt = 10, n_points: PositiveInt = 5000) -> None:
        box = Box([(-1.0, 1.0)] * dim)
        super().__init__(box, Faces(box), n_points=n_points)

    def operator(self, x: Float[Tensor, "n d"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian

    def source(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        squares = x.square().sum(1)
        return (20 * self.dim - 400 * squares) * torch.exp(-10 * squares)

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return torch.exp(-10 * x.square().sum(1))

    def lift(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        # The transfinite interpolation, whose 3^d - 1 terms collapse: u is a product, and each
        # factor has the same value e^-10 at both ends.
        return self.exact(x) - (torch.exp(-10 * x.square()) - math.exp(-10)).prod(1)

    def _reference_points(self) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        # Uniform points would miss the peak: half are normal, of variance 1/40, half uniform, and
        # each counts by the inverse of that density.
        draw, n = torch.Generator().manual_seed(0), SIDE**2
        normal = torch.randn(n // 2, self.dim, generator=draw, dtype=torch.float64) / math.sqrt(40)
        uniform = self.domain.sample(n // 2, generator=draw, dtype=torch.float64)
        x = torch.cat((normal, uniform))
        x = x[self.domain.contains(x)]
        peak = (20 / math.pi) ** (self.dim / 2) * torch.exp(-20 * x.square().sum(1))
        return x, 1 / (peak / 2 + 0.5 / self.domain.volume)


class Nonlinear10(Linear10):
    """``-lap u + u - u^3 = f`` on ``[-1, 1]^d``, ``u = exp(-10 |x|^2)``.

    The nonlinear problem in ten dimensions of Tang, Wan, Yang (2023, arXiv:2112.14038).

    >>> problem, x = Nonlinear10(), torch.zeros(1, 10)
    >>> problem.source(x), problem.operator(x, Jet(torch.ones(1), x, torch.full((1,), -200.0)))
    (tensor([200.]), tensor([200.]))

    Args:
        dim: Number of coordinates.
        n_points: Collocation points that a solution is sought with.
    """

    def operator(self, x: Float[Tensor, "n d"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian + u.value - u.value**3

    def source(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        u = self.exact(x)
        return super().source(x) + u - u**3


class DiskPeak(Problem):
    """``-lap u = f`` on ``|x| < 1``, zero on the circle: ``u = (1 - |x|^2) exp(-A |x - c|^2)``.

    The peak of Tang, Wan, Yang (2023, arXiv:2112.14038) in a domain that is no box.

    >>> DiskPeak().exact(torch.tensor([[0.5, 0.0], [1.0, 0.0]]))
    tensor([0.7500, 0.0000])

    Args:
        A: Sharpness of the peak at ``c = (1/2, 0)``.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, A: Positive = 100.0, n_points: PositiveInt = 500) -> None:  # noqa: N803
        disk = Disk()
        super().__init__(disk, WholeBoundary(disk), n_points=n_points)
        self.A = A

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian

    def source(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        a, y = self.A, x - x.new_tensor([0.5, 0.0])
        squares = y.square().sum(1)
        w = 1 - x.square().sum(1)
        factor = w * (4 * a - 4 * a**2 * squares) - 8 * a * (x * y).sum(1) + 4
        return torch.exp(-a * squares) * factor

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        y = x - x.new_tensor([0.5, 0.0])
        return (1 - x.square().sum(1)) * torch.exp(-self.A * y.square().sum(1))

    def prescribed(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return torch.zeros_like(x[:, 0])

    def lift(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return torch.zeros_like(x[:, 0])


class Corner(Problem):
    """``-lap u = 0`` on the L-shape, ``u = r^(2/3) sin(2 theta / 3)``, theta in ``[0, 3 pi / 2]``.

    Its gradient is infinite at the re-entrant corner (Mitchell, "A collection of 2D elliptic
    problems for testing adaptive grid refinement algorithms", 2013, doi:10.1016/j.amc.2013.05.068).

    >>> Corner().exact(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).round(decimals=3)
    tensor([0.0000, 0.8660, -0.0000])

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, n_points: PositiveInt = 1000) -> None:
        domain = LShape()
        super().__init__(domain, WholeBoundary(domain), n_points=n_points)

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return -u.laplacian

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        angle = torch.remainder(torch.atan2(x[:, 1], x[:, 0]), 2 * math.pi)
        return x.square().sum(1) ** (1 / 3) * torch.sin(2 * angle / 3)

"""Waves: a string that was plucked, and a plane wave of one frequency."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.errors import UserError
from genlab.pde.boundary import Faces
from genlab.pde.conditions import Condition, Dirichlet, Initial
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box
from genlab.pde.problem import Problem

__all__ = ["Helmholtz", "Wave"]

NEAR = 0.01
"""Relative distance of ``k^2`` to an eigenvalue below which a solution is not told apart."""


class Wave(Problem):
    """``u_tt = c^2 u_xx`` on ``[0, 1] x [0, 1]``, a string that is at rest at first.

    Its ends are fixed. ``u(x, 0) = sin(pi x) + sin(4 pi x) / 2`` and ``u_t(x, 0) = 0``, so that
    ``u = sin(pi x) cos(c pi t) + sin(4 pi x) cos(4 c pi t) / 2`` (with ``c = 2`` that of Wang, Yu,
    Perdikaris, "When and why PINNs fail to train: a neural tangent kernel perspective", 2022,
    arXiv:2007.14527). A hard boundary is ``u = u(x, 0) + 4 x (1 - x) t^2 v``, which holds both
    initial conditions.

    >>> Wave().exact(torch.tensor([[0.5, 0.0], [0.5, 1.0]]))
    tensor([ 1.0000, -1.0000])

    Args:
        c: Speed of the waves.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, c: Positive = 1.0, n_points: PositiveInt = 2000) -> None:
        self.box = Box([(0.0, 1.0), (0.0, 1.0)])
        self.ends = Faces(self.box, [(0, "low"), (0, "high")])
        faces = Faces(self.box, [*self.ends.faces, (1, "low")])
        super().__init__(self.box, faces, n_points=n_points, space=1)
        self.c = c

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return u.hessian[:, 1, 1] - self.c**2 * u.hessian[:, 0, 0]

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        place, time = (math.pi * x).unbind(1)
        slow = torch.sin(place) * torch.cos(self.c * time)
        return slow + torch.sin(4 * place) * torch.cos(4 * self.c * time) / 2

    def essential(self) -> tuple[Condition, ...]:
        fixed = Dirichlet(self.ends, lambda x: torch.zeros_like(x[:, 0]))
        begin = Faces(self.box, [(1, "low")])
        return fixed, Initial(begin, self.lift, lambda x: torch.zeros_like(x[:, 0]))

    def lift(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        place = math.pi * x[:, 0]
        return torch.sin(place) + torch.sin(4 * place) / 2

    def cutoff(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        # Squared in time, so that neither u nor u_t is changed where it begins.
        return self.ends.cutoff(x) * x[:, 1].square()


class Helmholtz(Problem):
    """``lap u + k^2 u = 0`` on ``[-1, 1]^2``, a plane wave ``u = sin(k (x cos a + y sin a))``.

    Its angle is ``a = pi / 6``. Where ``k^2`` is an eigenvalue ``(m^2 + n^2) pi^2 / 4`` of ``-lap``
    the boundary does not tell the solution. Helmholtz' equation, there below its first eigenvalue,
    is a test of Wang, Teng, Perdikaris, "Understanding and mitigating gradient pathologies in
    physics-informed neural networks" (2021, arXiv:2001.04536).

    >>> Helmholtz(k=7.5).exact(torch.tensor([[0.0, 0.0], [0.0, 0.5]])).round(decimals=4)
    tensor([0.0000, 0.9541])

    Args:
        k: Wave number.
        n_points: Collocation points that a solution is sought with.

    Raises:
        UserError: ``k^2`` is an eigenvalue, up to one hundredth.
    """

    def __init__(self, *, k: Positive = 7.5, n_points: PositiveInt = 2000) -> None:
        box = Box([(-1.0, 1.0)] * 2)
        super().__init__(box, Faces(box), n_points=n_points)
        self.k = k
        nearest = min(self._eigenvalues(), key=lambda value: abs(value - k**2))
        if abs(nearest - k**2) < NEAR * k**2:
            raise UserError(
                f"k={k:g}: k^2 = {k**2:.6g} is nearly the eigenvalue {nearest:.6g} of the square, "
                "where the boundary does not tell the solution; choose another k, such as 7.5"
            )

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return u.laplacian + self.k**2 * u.value

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        angle = math.pi / 6
        return torch.sin(self.k * (math.cos(angle) * x[:, 0] + math.sin(angle) * x[:, 1]))

    def _eigenvalues(self) -> list[float]:
        """Those of ``-lap`` that are about ``k^2``, and the first."""
        most = math.ceil(2 * self.k / math.pi) + 2
        numbers = range(1, most + 1)
        return [(m**2 + n**2) * math.pi**2 / 4 for m in numbers for n in numbers]

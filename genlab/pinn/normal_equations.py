"""The normal equations of a least-squares step: over weights, over rows, or by products alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from scipy.linalg import blas
from torch import Tensor

from genlab.pde import Product
from genlab.pinn.least_squares import LeastSquares

__all__ = ["DenseEquations", "NormalEquations", "Solve", "linearised"]

Solve = Callable[[Float[Tensor, " n"]], Float[Tensor, " p"]]
"""Takes rows ``R`` to ``(J'J + lambda mu I)^-1 J' R``."""

PROBES = 8
TOLERANCE = 1e-6
"""Of conjugate gradients: length of what is left of the right-hand side."""
ITERATIONS = 200
"""At most: fewer than convergence may want damp what the rows hardly tell of."""


def linearised(
    problem: LeastSquares, theta: Float[Tensor, " p"], *, dense: int
) -> tuple[Float[Tensor, " n"], NormalEquations]:
    """``R(theta)``, and the normal equations there.

    Args:
        problem: What is minimised.
        theta: The weights.
        dense: Most weights for which the Jacobian is made.
    """
    if len(theta) <= dense:
        r, jacobian = problem.linearise(theta)
        return r, DenseEquations(jacobian)
    r, ahead, back = problem.products(theta)
    return r, _ByProducts(ahead, back, r)


class NormalEquations(ABC):
    """``(J'J + lambda mu I)^-1 J'`` of one Jacobian, for one damping after the other.

    ``mu`` is the mean of the diagonal of ``J'J``.

    References: doi:10.1137/0111030.

    >>> solve = DenseEquations(torch.eye(2, dtype=torch.float64)).factor(1.0)
    >>> solve(torch.ones(2, dtype=torch.float64))
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    @abstractmethod
    def ahead(self, v: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        """``J v``."""

    @abstractmethod
    def factor(self, damping: float) -> Solve | None:
        """The map for one damping; None where rounding left the matrix indefinite."""


class DenseEquations(NormalEquations):
    """Those of a Jacobian that is at hand, by Cholesky's factors of ``J'J + c I``.

    Where there are fewer rows than weights, by those of ``JJ' + c I``, which is smaller then:
    ``(J'J + c I)^-1 J' = J' (JJ' + c I)^-1``.

    Args:
        jacobian: ``J``.
    """

    def __init__(self, jacobian: Float[Tensor, "n p"]) -> None:
        rows, weights = jacobian.shape
        self.jacobian, self.over_rows = jacobian, rows < weights
        self.gram = _gram(jacobian.T if self.over_rows else jacobian)
        # The trace of either is the sum of the squares of J.
        self.mean = float(self.gram.diagonal().sum()) / weights

    def ahead(self, v: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        return self.jacobian @ v

    def factor(self, damping: float) -> Solve | None:
        damped = self.gram.clone()
        damped.diagonal().add_(damping * self.mean)
        factor, failed = torch.linalg.cholesky_ex(damped)

        def solve(rows: Float[Tensor, " n"]) -> Float[Tensor, " p"]:
            if self.over_rows:
                return torch.cholesky_solve(rows[:, None], factor).squeeze(1) @ self.jacobian
            return torch.cholesky_solve((rows @ self.jacobian)[:, None], factor).squeeze(1)

        return None if failed.item() else solve


class _ByProducts(NormalEquations):
    """Those of a Jacobian that is not made, by conjugate gradients.

    The mean of the diagonal is estimated by Hutchinson's probes of -1 and 1, always the same.

    Args:
        ahead: Multiplies by ``J``.
        back: Multiplies by ``J'``.
        like: A vector of as many numbers as ``J`` has rows.
    """

    def __init__(self, ahead: Product, back: Product, like: Float[Tensor, " n"]) -> None:
        self._ahead, self._back = ahead, back
        draw = torch.Generator().manual_seed(0)
        signs = torch.randint(2, (PROBES, len(like)), generator=draw)
        images = torch.stack([back(probe) for probe in (2 * signs - 1).to(like)])
        self.mean = float(images.square().mean())

    def ahead(self, v: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        return self._ahead(v)

    def factor(self, damping: float) -> Solve | None:
        return lambda rows: self._descend(self._back(rows), damping * self.mean)

    def _descend(self, b: Float[Tensor, " p"], shift: float) -> Float[Tensor, " p"]:
        """``(J'J + shift I)^-1 b``, as far as some iterations come."""
        x, left, direction = torch.zeros_like(b), b, b
        square = left @ left
        goal = TOLERANCE**2 * square
        for _ in range(ITERATIONS):
            if not square > goal:
                break
            image = self._back(self._ahead(direction)) + shift * direction
            length = square / (direction @ image)
            x, left = x + length * direction, left - length * image
            square, before = left @ left, square
            direction = left + square / before * direction
        return x


def _gram(a: Float[Tensor, "n p"]) -> Float[Tensor, "p p"]:
    """The lower triangle of ``a'a``, by half of the products on the CPU."""
    if a.is_cuda:
        return a.T @ a
    # LAPACK's matrices go column by column: what is `a` here is its transpose there.
    columns = a.T.numpy() if a.is_contiguous() else a.numpy()
    upper = blas.dsyrk(1.0, columns, trans=not a.is_contiguous())
    return torch.from_numpy(upper).T

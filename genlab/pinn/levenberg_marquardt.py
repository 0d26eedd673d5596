"""Levenberg and Marquardt's step for nonlinear least squares, with geodesic acceleration."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from scipy.linalg import blas
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.pinn.least_squares import LeastSquares, Method, Step

__all__ = ["LevenbergMarquardt", "normal_equations"]

Solve = Callable[[Float[Tensor, " n"]], Float[Tensor, " p"]]

GROWTH = 2.0
ACCEPTED = 1e-3
"""Least share of the predicted decrease that a step must bring."""
LEAST, MOST = 1e-15, 1e-2
"""Bounds of the damping: below, of every step; above, after none was found."""
PROBE = 0.1
"""Share of a step over which the curvature along it is measured."""
BEND = 0.75
"""Most length of the acceleration, as a share of the step it is added to."""


class LevenbergMarquardt(Method):
    """``theta <- theta - (J'J + lambda mu I)^-1 J'R``, mu the mean of the diagonal of ``J'J``.

    ``lambda`` follows the ratio of the decrease to that of the linear model (Marquardt, "An
    algorithm for least-squares estimation of nonlinear parameters", 1963, doi:10.1137/0111030, by
    the rule of Nielsen, "Damping parameter in Marquardt's method", 1999, IMM-REP-1999-05). The step
    ``delta`` is bent by the second derivative along it, ``a = -1/2 (J'J + lambda mu I)^-1 J'R_vv``,
    where that is short enough (Transtrum, Sethna, "Improvements to the Levenberg-Marquardt
    algorithm for nonlinear least-squares minimization", 2012, arXiv:1201.5885). Float64 throughout:
    ``J'J`` squares the condition of ``J``.

    >>> class Rosenbrock(LeastSquares):
    ...     def rows(self, theta):
    ...         return torch.stack((10 * (theta[1] - theta[0] ** 2), 1 - theta[0]))
    ...     def linearise(self, theta):
    ...         return self.rows(theta), torch.func.jacfwd(self.rows)(theta)
    >>> method, theta = LevenbergMarquardt(), torch.tensor([-1.2, 1.0], dtype=torch.float64)
    >>> for _ in range(30):
    ...     theta = method.step(Rosenbrock(), theta).theta
    >>> theta
    tensor([1., 1.], dtype=torch.float64)

    Args:
        damping: The first ``lambda``.
        tries: Dampings that a step tries before it gives up.
        acceleration: Whether steps are bent.

    Attributes:
        damping: The present ``lambda``.
        growth: What multiplies it after the next rejection.
    """

    def __init__(
        self,
        *,
        damping: Positive = 1e-2,
        tries: PositiveInt = 12,
        acceleration: bool = True,
    ) -> None:
        self.damping = damping
        self.growth = GROWTH
        self.tries = tries
        self.acceleration = acceleration

    @torch.no_grad()
    def step(self, problem: LeastSquares, theta: Float[Tensor, " p"]) -> Step:
        """One step, or none where no damping lowers the loss, which clips the next one's."""
        r, jacobian = problem.linearise(theta)
        normal = normal_equations(jacobian)
        before = _square(r)
        for tried in range(1, self.tries + 1):
            solve = normal.factor(self.damping)
            if solve is None:
                self.damping *= 10
                continue
            delta = -solve(r)
            change = jacobian @ delta
            predicted = before - _square(r + change)
            if not predicted > 0:
                self.damping *= 2
                continue
            for moved in self._candidates(problem, theta, r, delta, change, solve):
                rows = problem.rows(moved)
                loss = _square(rows)
                if loss < before:
                    break
            ratio = (before - loss) / predicted
            if ratio > ACCEPTED:  # false of a loss that is not finite
                factor = max(1 / 5, 1 - (2 * min(ratio, 1.5) - 1) ** 3)
                self.damping, self.growth = max(self.damping * factor, LEAST), GROWTH
                return Step(moved, rows, before, loss, tried, accepted=True)
            self.damping *= self.growth
            self.growth *= 2
        self.damping, self.growth = min(max(self.damping, 1e-12), MOST), GROWTH
        return Step(theta, r, before, before, self.tries, accepted=False)

    def _candidates(
        self,
        problem: LeastSquares,
        theta: Float[Tensor, " p"],
        r: Float[Tensor, " n"],
        delta: Float[Tensor, " p"],
        change: Float[Tensor, " n"],
        solve: Solve,
    ) -> list[Float[Tensor, " p"]]:
        """The ends of the step: bent, if that is short enough, then straight."""
        straight = theta + delta
        if not self.acceleration:
            return [straight]
        slope = (problem.rows(theta + PROBE * delta) - r) / PROBE
        bend = -0.5 * solve(2 / PROBE * (slope - change))
        if not 2 * bend.norm() <= BEND * delta.norm():
            return [straight]
        return [straight + bend, straight]

    def state_dict(self) -> dict[str, Any]:
        return {"damping": self.damping, "growth": self.growth}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.damping, self.growth = state["damping"], state["growth"]


class NormalEquations(ABC):
    """``(J'J + lambda mu I)^-1 J'`` of one Jacobian, for one damping after the other.

    References: doi:10.1137/0111030.

    >>> solve = normal_equations(torch.eye(2, dtype=torch.float64)).factor(1.0)
    >>> solve(torch.ones(2, dtype=torch.float64))
    tensor([0.5000, 0.5000], dtype=torch.float64)

    Args:
        jacobian: ``J``.
        gram: The smaller of ``J'J`` and ``JJ'``; its lower triangle is read.
    """

    def __init__(self, jacobian: Float[Tensor, "n p"], gram: Float[Tensor, "m m"]) -> None:
        self.jacobian = jacobian
        self.gram = gram
        # The trace of either is the sum of the squares of J.
        self.mean = float(gram.diagonal().sum()) / jacobian.shape[1]

    def factor(self, damping: float) -> Solve | None:
        """The map for one damping; None where rounding left the matrix indefinite."""
        damped = self.gram.clone()
        damped.diagonal().add_(damping * self.mean)
        factor, failed = torch.linalg.cholesky_ex(damped)
        return None if failed.item() else lambda rows: self._solve(rows, factor)

    @abstractmethod
    def _solve(
        self, rows: Float[Tensor, " n"], factor: Float[Tensor, "m m"]
    ) -> Float[Tensor, " p"]:
        """``(J'J + lambda mu I)^-1 J' rows``."""


class _OverWeights(NormalEquations):
    """``(J'J + c I)^-1 J'``, where there are no more weights than rows."""

    def __init__(self, jacobian: Float[Tensor, "n p"]) -> None:
        super().__init__(jacobian, _gram(jacobian))

    def _solve(
        self, rows: Float[Tensor, " n"], factor: Float[Tensor, "p p"]
    ) -> Float[Tensor, " p"]:
        return torch.cholesky_solve((rows @ self.jacobian)[:, None], factor).squeeze(1)


class _OverRows(NormalEquations):
    """``J' (JJ' + c I)^-1``, the same where there are fewer rows than weights."""

    def __init__(self, jacobian: Float[Tensor, "n p"]) -> None:
        super().__init__(jacobian, _gram(jacobian.T))

    def _solve(
        self, rows: Float[Tensor, " n"], factor: Float[Tensor, "n n"]
    ) -> Float[Tensor, " p"]:
        return torch.cholesky_solve(rows[:, None], factor).squeeze(1) @ self.jacobian


def normal_equations(jacobian: Float[Tensor, "n p"]) -> NormalEquations:
    """Those of a Jacobian, in the space of weights or of rows, whichever is smaller."""
    n, p = jacobian.shape
    return _OverWeights(jacobian) if p <= n else _OverRows(jacobian)


def _gram(a: Float[Tensor, "n p"]) -> Float[Tensor, "p p"]:
    """The lower triangle of ``a'a``, by half of the products on the CPU."""
    if a.is_cuda:
        return a.T @ a
    # LAPACK's matrices go column by column: what is `a` here is its transpose there.
    columns = a.T.numpy() if a.is_contiguous() else a.numpy()
    upper = blas.dsyrk(1.0, columns, trans=not a.is_contiguous())
    return torch.from_numpy(upper).T


def _square(r: Float[Tensor, " n"]) -> float:
    square = float(r @ r)
    return square if math.isfinite(square) else math.inf

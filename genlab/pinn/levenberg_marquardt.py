"""Levenberg and Marquardt's step for nonlinear least squares, with geodesic acceleration."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.pinn.least_squares import LeastSquares, Method, Step, loss_of
from genlab.pinn.normal_equations import Solve, linearised

__all__ = ["LevenbergMarquardt"]

GROWTH = 2.0
ACCEPTED = 1e-3
"""Least share of the predicted decrease that a step must bring."""
LEAST, MOST = 1e-15, 1e-2
"""Bounds of the damping: below, of every step; above, after none was found."""
PROBE = 0.1
"""Share of a step over which the curvature along it is measured."""
BEND = 0.75
"""Most length of the acceleration, as a share of the step that half of it is added to."""


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
        dense: Most weights for which ``J`` is made. The equations of more are solved by conjugate
            gradients, which take products with ``J`` and ``J'`` alone.

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
        dense: PositiveInt = 4000,
    ) -> None:
        self.damping = damping
        self.growth = GROWTH
        self.tries = tries
        self.acceleration = acceleration
        self.dense = dense

    @torch.no_grad()
    def step(self, problem: LeastSquares, theta: Float[Tensor, " p"]) -> Step:
        """One step, or none where no damping lowers the loss, which clips the next one's."""
        r, normal = linearised(problem, theta, dense=self.dense)
        before = loss_of(r)
        for tried in range(1, self.tries + 1):
            solve = normal.factor(self.damping)
            if solve is None:
                self.damping *= 10
                continue
            delta = -solve(r)
            change = normal.ahead(delta)
            predicted = before - loss_of(r + change)
            if not predicted > 0:
                self.damping *= 2
                continue
            for moved in self._candidates(problem, theta, r, delta, change, solve):
                rows = problem.rows(moved)
                loss = loss_of(rows)
                if loss < before:
                    break
            ratio = (before - loss) / predicted
            if ratio > ACCEPTED:  # false of a loss that is not finite
                factor = max(1 / 5, 1 - (2 * min(ratio, 1.5) - 1) ** 3)
                self.damping, self.growth = max(self.damping * factor, LEAST), GROWTH
                return Step(moved, rows, r, loss, tried, accepted=True)
            self.damping *= self.growth
            self.growth *= 2
        self.damping, self.growth = min(max(self.damping, 1e-12), MOST), GROWTH
        return Step(theta, r, r, before, self.tries, accepted=False)

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

    def memory(self, rows: int, weights: int) -> int:
        # J; its Gram matrix, the damped one and its factor; half as much again for what comes by.
        smaller = min(rows, weights)
        return 12 * (rows * weights + 3 * smaller**2) if weights <= self.dense else 0

    def state_dict(self) -> dict[str, Any]:
        return {"damping": self.damping, "growth": self.growth}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.damping, self.growth = state["damping"], state["growth"]

"""The self-scaled Broyden method, a quasi-Newton method on the gradient of the loss alone."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import line_search
from torch import Tensor

from genlab.pinn.least_squares import LeastSquares, Method, Step, loss_of

__all__ = ["SSBroyden", "updated"]

ARMIJO, CURVATURE = 1e-4, 0.9
"""The constants of the strong Wolfe conditions."""

Family = Literal["broyden", "bfgs"]


class SSBroyden(Method):
    """``theta <- theta - alpha H g``, ``g`` the gradient of ``|R|^2`` and ``H`` learned from it.

    ``H`` stands for the inverse of the Hessian: the identity at first, then `updated` by what each
    step sees of the gradient; ``alpha`` obeys the strong Wolfe conditions (Al-Baali, Khalfan, "A
    wide interval for efficient self-scaling quasi-Newton algorithms", 2003,
    optimization-online.org/2003/08/699; for networks Urban, Stefanou, Pons, "Unveiling the
    optimization process of physics informed neural networks", 2025, arXiv:2405.04230,
    doi:10.1016/j.jcp.2024.113656). A step costs one or two gradients and ``8 p^2`` bytes, and no
    Jacobian. ``H`` outlives a change of the points, the last gradient does not.

    >>> class Rosenbrock(LeastSquares):
    ...     def rows(self, theta):
    ...         return torch.stack((10 * (theta[1] - theta[0] ** 2), 1 - theta[0]))
    ...     def linearise(self, theta):
    ...         return self.rows(theta), torch.func.jacfwd(self.rows)(theta)
    >>> method, theta = SSBroyden(), torch.tensor([-1.2, 1.0], dtype=torch.float64)
    >>> for _ in range(45):
    ...     theta = method.step(Rosenbrock(), theta).theta
    >>> theta
    tensor([1., 1.], dtype=torch.float64)

    Args:
        family: ``broyden``, or ``bfgs`` to scale and not to leave the formula of Broyden, Fletcher,
            Goldfarb and Shanno.

    Attributes:
        inverse: ``H``, ``[p, p]``; None for the identity.
    """

    def __init__(self, *, family: Family = "broyden") -> None:
        self.family: Family = family
        self.inverse: Tensor | None = None
        self._last: _Point | None = None
        self._previous = math.nan

    @torch.no_grad()
    def step(self, problem: LeastSquares, theta: Float[Tensor, " p"]) -> Step:
        """One step, or none where no length of it obeys the conditions; ``H`` then starts anew."""
        self._to(theta.device)
        here = self._here(problem, theta)
        direction = -here.gradient if self.inverse is None else -(self.inverse @ here.gradient)
        there, length, tries = self._search(problem, here, direction)
        if there is None:
            self.inverse, self._previous = None, math.nan
            return Step(theta, here.rows, here.rows, here.loss, tries, accepted=False)
        self.inverse = updated(
            self.inverse,
            there.theta - theta,
            there.gradient - here.gradient,
            -length * here.gradient,
            family=self.family,
        )
        self._last, self._previous = there, here.loss
        return Step(there.theta, there.rows, here.rows, there.loss, tries, accepted=True)

    def renew(self) -> None:
        self._last, self._previous = None, math.nan

    def _to(self, device: torch.device) -> None:
        """Bring what was learned to where the weights are: checkpoints are read on the CPU."""
        if self.inverse is not None:
            self.inverse = self.inverse.to(device)
        if self._last is not None:
            self._last = _Point(*(each.to(device) for each in self._last))

    def _here(self, problem: LeastSquares, theta: Float[Tensor, " p"]) -> _Point:
        """The end of the last step, or where that was elsewhere, what is to be computed here."""
        if self._last is None or not torch.equal(self._last.theta, theta):
            self._last, self._previous = _Point(theta, *problem.gradient(theta)), math.nan
        return self._last

    def _search(
        self, problem: LeastSquares, here: _Point, direction: Float[Tensor, " p"]
    ) -> tuple[_Point | None, float, int]:
        """The end of the step, its length and how many were tried; None where none will do."""

        @lru_cache(maxsize=1)  # value, slope and at last the point itself, of one length
        def at(length: float) -> _Point:
            theta = here.theta + length * direction
            return _Point(theta, *problem.gradient(theta))

        def slope(point: _Point) -> float:
            return float(point.gradient @ direction)

        start = slope(here)
        if not start < 0:
            return None, 0.0, 0
        # The first length expects as much as the last step brought, or else moves by about 1.
        fresh = math.isnan(self._previous)
        previous = here.loss + float(here.gradient.norm()) / 2 if fresh else self._previous
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a search that fails
            length, tries, _, _, _, end = line_search(
                lambda x: at(float(x[0])).loss,
                lambda x: np.array([slope(at(float(x[0])))]),
                np.zeros(1),
                np.ones(1),
                np.array([start]),
                here.loss,
                previous,
                c1=ARMIJO,
                c2=CURVATURE,
            )
        return (None, 0.0, tries) if end is None else (at(length), length, tries)

    def memory(self, rows: int, weights: int) -> int:
        return 3 * 8 * weights**2

    def state_dict(self) -> dict[str, Any]:
        last = None if self._last is None else self._last._asdict()
        return {"inverse": self.inverse, "last": last, "previous_loss": self._previous}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inverse, self._previous = state["inverse"], state["previous_loss"]
        self._last = None if state["last"] is None else _Point(**state["last"])


class _Point(NamedTuple):
    """Weights, and what was computed of them."""

    theta: Float[Tensor, " p"]
    rows: Float[Tensor, " n"]
    gradient: Float[Tensor, " p"]

    @property
    def loss(self) -> float:
        return loss_of(self.rows)


def updated(
    inverse: Float[Tensor, "p p"] | None,
    s: Float[Tensor, " p"],
    y: Float[Tensor, " p"],
    bs: Float[Tensor, " p"],
    *,
    family: Family,
) -> Float[Tensor, "p p"] | None:
    """The next ``H``, ``1/tau [H - Hy y'H / y'Hy + phi y'Hy v v'] + s s' / y's``.

    ``v = s / y's - Hy / y'Hy``. It is positive definite if ``H`` is and ``y's > 0``, and maps ``y``
    to ``s``; None where rounding left ``y's`` or ``y'Hy`` not positive.

    References: arXiv:2405.04230.

    >>> s, y = torch.tensor([[0.5, 0.0], [1.0, 0.1]], dtype=torch.float64)
    >>> torch.allclose(updated(None, s, y, s, family="broyden") @ y, s)
    True

    Args:
        inverse: ``H``; None for the identity.
        s: The step.
        y: What it changed of the gradient.
        bs: ``H^-1 s``, which is the gradient at its start times minus its length.
        family: How ``tau`` and ``phi`` are chosen.
    """
    if inverse is None:
        inverse = torch.eye(len(s), dtype=s.dtype, device=s.device)
    hy = inverse @ y
    ys, yhy = float(y @ s), float(y @ hy)
    if not (ys > 0 and yhy > 0):
        return None
    tau, phi = _scaling(float(s @ bs) / ys, yhy / ys, len(s), family)
    v = s / ys - hy / yhy
    left = torch.stack((hy * (-1 / (tau * yhy)), v * (phi * yhy / tau), s / ys), 1)
    return torch.addmm(inverse, left, torch.stack((hy, v, s)), beta=1 / tau)


def _scaling(b: float, h: float, n: int, family: Family) -> tuple[float, float]:
    """``tau`` and ``phi``, by ``b = s'H^-1 s / y's``, ``h = y'Hy / y's`` and the dimension."""
    rho = min(1.0, 1 / b)
    if family == "bfgs":
        return rho, 1.0
    # By Cauchy and Schwarz not below zero, which it is where y is a multiple of H^-1 s.
    a = max(b * h - 1, torch.finfo(torch.float64).eps)
    # h (1 - c), written so that it does not become 0.
    c = math.sqrt(a / (1 + a))
    least = min(1.0, h / ((1 + a) * (1 + c)))
    theta = max((least - 1) / a, min(1 / least, (1 - b) / b))
    sigma = 1 + theta * a
    root = sigma ** (1 / (1 - max(n, 2)))
    tau = min(rho * root, sigma) if theta <= 0 else rho * min(root, 1 / theta)
    return tau, (1 - theta) / sigma

"""Solvers of ``dx/dt = v(x, t)`` that integrate rates along the way."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.bijections.by_torchdiffeq import (
    Field,
    Slopes,
    VelocityAlone,
    follow,
    solver_advice,
    worst_row,
)
from genlab.bounds import Positive, PositiveInt
from genlab.errors import UserError

__all__ = ["AdaptiveSolver", "FixedStepSolver", "ODESolver"]

MAX_STEPS = 10_000

# In units of eps, the tolerance below which rounding outweighs what smaller steps gain: the error
# of order 8 lies far below its estimate.
RESOLVED = {"dopri5": 8, "dopri8": 128, "bosh3": 8, "adaptive_heun": 8}
# In half precision too a step is controlled.
COARSEST = 0.05
# The tolerance that tells one set of weights from another: thousandths of a nat, in the worst row.
COARSE = 1e-4


class Way(NamedTuple):
    """The arguments of `ODESolver.solve` besides the field and the points."""

    start: float
    end: float
    rates: int
    adjoint: Sequence[Tensor] | None


class ODESolver(ABC):
    """A way to follow an ODE from one time to another.

    Subclasses implement `_solve`, which always has some rows and some time to go.

    References: doi:10.1007/978-3-540-78862-1.

    >>> import genlab, torch
    >>> solver = genlab.bijections.FixedStepSolver(method="rk4", steps=10)
    >>> (x,) = solver.solve(lambda t, x: (-x,), torch.ones(1, 1), start=0.0, end=1.0, rates=0)
    >>> round(x.item(), 4)
    0.3679
    """

    def solve(
        self,
        field: Field,
        x: Float[Tensor, "n *event"],
        *,
        start: float,
        end: float,
        rates: int,
        adjoint: Sequence[Tensor] | None = None,
        velocity: VelocityAlone | None = None,
    ) -> tuple[Tensor, ...]:
        """Carry ``x`` from ``start`` to ``end``, forward or backward in time.

        Args:
            field: The velocity and the rates.
            x: Where the points are at ``start``.
            start: First time.
            end: Last time.
            rates: How many rates there are.
            adjoint: Parameters of the field, to compute gradients by a second ODE backward in time,
                in memory that does not grow with the number of steps; None to differentiate the
                steps themselves.
            velocity: That of the field without its rates, for the stages of a step that give the
                rates no weight, four of thirteen in ``dopri8``; None where it is not cheaper.

        Returns:
            ``x`` at ``end``, and the integral over time of each rate along its way. A row that is
            not finite, or whose velocity is not, comes out as numbers that are not finite; the
            others are followed as if it was not there.

        Raises:
            RunError: The solver cannot reach ``end``.
        """
        if start == end or not len(x):
            return x, *(x.new_zeros(len(x)) for _ in range(rates))

        def slopes(t: Tensor, x: Tensor, weighed: bool) -> tuple[Tensor, ...]:
            if weighed or velocity is None:
                return field(t, x)
            return velocity(t, x), *(x.new_zeros(len(x)) for _ in range(rates))

        return self._solve(slopes, x, Way(start, end, rates, adjoint))

    @abstractmethod
    def _solve(self, slopes: Slopes, x: Float[Tensor, "n *event"], way: Way) -> tuple[Tensor, ...]:
        """`solve`, from one time to another one."""

    def part(self, share: float) -> ODESolver:
        """The solver for a share of the time."""
        return self

    @abstractmethod
    def finer(self) -> ODESolver:
        """The same method with a tenth of this one's error, or less: a measure of it."""

    def coarser(self) -> ODESolver:
        """One of fewer evaluations where this one is finer than comparisons of weights need."""
        return self


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method: its nodes, the weights of each stage, and of the step."""

    nodes: tuple[float, ...]
    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


# As torchdiffeq understands the names: `rk4` is the 3/8 rule, of smaller error than the classical
# one (Hairer, Norsett, Wanner, "Solving ordinary differential equations I", table II.1.2).
TABLEAUS = {
    "euler": Tableau((0.0,), ((),), (1.0,)),
    "midpoint": Tableau((0.0, 1 / 2), ((), (1 / 2,)), (0.0, 1.0)),
    "rk4": Tableau(
        (0.0, 1 / 3, 2 / 3, 1.0),
        ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
        (1 / 8, 3 / 8, 3 / 8, 1 / 8),
    ),
}


# Adams and Bashforth's weights of the last slopes, the latest first: the integral of the polynomial
# through them (Hairer, Norsett, Wanner, section III.1).
ADAMS = {2: (3 / 2, -1 / 2), 3: (23 / 12, -4 / 3, 5 / 12)}


@dataclass(frozen=True, kw_only=True)
class FixedStepSolver(ODESolver):
    """Equal steps of an explicit method: of Runge and Kutta's, or of Adams and Bashforth's.

    The rates take no part in the stages: they are integrated by the method's own quadrature.
    Nothing waits for the device between two steps.

    ``adams`` extrapolates the slopes of the last three steps, ``x + h (23 k_n - 16 k_{n-1} +
    5 k_{n-2}) / 12``: one evaluation a step, and one more, since the first is a step of the
    midpoint method, and the second one of two slopes.

    References: doi:10.1007/978-3-540-78862-1.

    >>> import genlab, torch
    >>> solver = genlab.bijections.FixedStepSolver(method="midpoint", steps=100)
    >>> (x,) = solver.solve(lambda t, x: (-x,), torch.ones(1, 1), start=0.0, end=1.0, rates=0)
    >>> round(x.item(), 4)
    0.3679

    Attributes:
        method: Of order 1, 2 or 4, with as many evaluations a step; ``adams`` of order 3, with one.
        steps: Number of steps.
    """

    method: Literal["euler", "midpoint", "rk4", "adams"]
    steps: PositiveInt

    def _solve(self, slopes: Slopes, x: Float[Tensor, "n *event"], way: Way) -> tuple[Tensor, ...]:
        start, end, rates, adjoint = way
        if adjoint is not None:
            if self.method == "adams":
                raise UserError(
                    "method=adams: has no adjoint ODE; expected `gradient='backprop'`, or "
                    "`FixedStepSolver(method='rk4')`"
                )
            result: tuple[Tensor, ...] = follow(
                slopes,
                x,
                *way,
                method=self.method,
                options=lambda end: {"grid_constructor": self._grid},
            )
            return result
        h = (end - start) / self.steps
        integrals = [x.new_zeros(len(x)) for _ in range(rates)]
        past: list[tuple[Tensor, ...]] = []
        for step in range(self.steps):
            t = start + step * h
            if self.method == "adams":
                past = [slopes(_time(t, x), x, True), *past[:2]]
            if len(past) < 2:
                first = past[0] if past else None
                x = self._runge_kutta(slopes, x, t, h, integrals, first)
                continue
            weights = ADAMS[len(past)]
            x = _combine(x, [v for v, *_ in past], weights, h)
            for (_, *values), weight in zip(past, weights, strict=True):
                _integrate(integrals, values, weight * h)
        return x, *integrals

    def _runge_kutta(
        self,
        slopes: Slopes,
        x: Float[Tensor, "n *event"],
        start: float,
        h: float,
        integrals: list[Tensor],
        first: tuple[Tensor, ...] | None,
    ) -> Float[Tensor, "n *event"]:
        """One step; what it adds to the integrals is put in their place.

        Args:
            slopes: The velocity and the rates.
            x: Where the points are.
            start: When.
            h: How long the step is.
            integrals: Those of the rates so far.
            first: The slopes there and then, where it is known.
        """
        tableau = TABLEAUS["midpoint" if self.method == "adams" else self.method]
        velocities: list[Tensor] = []
        stages = zip(tableau.nodes, tableau.stages, tableau.weights, strict=True)
        for node, combination, weight in stages:
            if velocities or first is None:
                t = _time(start + node * h, x)
                v, *values = slopes(t, _combine(x, velocities, combination, h), weight != 0)
            else:
                v, *values = first
            velocities.append(v)
            _integrate(integrals, values, weight * h)
        return _combine(x, velocities, tableau.weights, h)

    def part(self, share: float) -> FixedStepSolver:
        # Of few steps, what starts Adams's method is all there is.
        method = "midpoint" if self.method == "adams" else self.method
        return replace(self, method=method, steps=max(1, round(share * self.steps)))

    def finer(self) -> FixedStepSolver:
        """Ten times as many steps."""
        return replace(self, steps=10 * self.steps)

    def _grid(self, field: object, x: Tensor, t: Float[Tensor, "2"]) -> Float[Tensor, " k"]:
        return torch.linspace(t[0], t[-1], self.steps + 1, dtype=t.dtype, device=t.device)


@dataclass(frozen=True, kw_only=True)
class AdaptiveSolver(ODESolver):
    """Steps of torchdiffeq, as long as the estimated error of each allows.

    A step is accepted where error / (atol + rtol |x|) is at most 1 for every row, as a root mean
    square over its coordinates, and for each of its rates: the error of a row is bounded whatever
    stands beside it, and the hardest row says how many steps there are. Tolerances below what the
    number type resolves are raised to it.

    References: Dormand, Prince, "A family of embedded Runge-Kutta formulae", 1980,
    doi:10.1016/0771-050X(80)90013-3.

    >>> import genlab, torch
    >>> solver = genlab.bijections.AdaptiveSolver(method="dopri5", rtol=1e-5, atol=1e-5)
    >>> (x,) = solver.solve(lambda t, x: (-x,), torch.ones(1, 1), start=0.0, end=1.0, rates=0)
    >>> round(x.item(), 4)
    0.3679

    Attributes:
        method: An embedded Runge-Kutta method of order 5, 8, 3 or 2.
        rtol: Relative tolerance of a step.
        atol: Absolute tolerance of a step.
    """

    method: Literal["dopri5", "dopri8", "bosh3", "adaptive_heun"]
    rtol: Positive
    atol: Positive

    def _solve(self, slopes: Slopes, x: Float[Tensor, "n *event"], way: Way) -> tuple[Tensor, ...]:
        finest = min(RESOLVED[self.method] * torch.finfo(x.dtype).eps, COARSEST)
        followed = _Followed(slopes, x)
        with solver_advice():
            result = follow(
                followed,
                followed.start,
                *way,
                method=self.method,
                rtol=max(self.rtol, finest),
                atol=max(self.atol, finest),
                options=_options,
            )
        return tuple(followed.without_lost(part, math.nan) for part in result)

    def finer(self) -> AdaptiveSolver:
        """A hundredth of the tolerances."""
        return replace(self, rtol=self.rtol / 100, atol=self.atol / 100)

    def coarser(self) -> AdaptiveSolver:
        """Dormand and Prince's order 5 to 1e-4, which takes a third of order 8's evaluations."""
        if min(self.rtol, self.atol) >= COARSE:
            return self
        return AdaptiveSolver(
            method="dopri5", rtol=max(self.rtol, COARSE), atol=max(self.atol, COARSE)
        )


def _options(end: Float[Tensor, "1"]) -> dict[str, Any]:
    # A step must end at the end: what is interpolated would be less exact.
    return {"max_num_steps": MAX_STEPS, "step_t": end, "norm": worst_row, "dtype": end.dtype}


class _Followed:
    """The rows that there is something to follow of; the others stand still.

    One row that is not finite would leave no step that is small enough for all of them.

    Args:
        slopes: The velocity and the rates.
        x: Where the rows are at the start.
    """

    def __init__(self, slopes: Slopes, x: Float[Tensor, "n *event"]) -> None:
        self.slopes = slopes
        self.lost = ~_finite(x)
        self.start = self.without_lost(x, 0.0)
        self.started = False

    def __call__(
        self, t: Tensor, x: Float[Tensor, "n *event"], weighed: bool
    ) -> tuple[Tensor, ...]:
        slopes = self.slopes(t, x, weighed)
        if not self.started:
            self.started = True
            for slope in slopes:
                self.lost = self.lost | ~_finite(slope)
        return tuple(self.without_lost(slope, 0.0) for slope in slopes)

    def without_lost(
        self, values: Float[Tensor, "n *event"], instead: float
    ) -> Float[Tensor, "n *event"]:
        lost = self.lost.view(-1, *(1 for _ in values.shape[1:]))
        return values.masked_fill(lost, instead)


def _finite(values: Float[Tensor, "n *event"]) -> Bool[Tensor, " n"]:
    return values.reshape(len(values), -1).isfinite().all(1)


def _time(t: float, x: Tensor) -> Float[Tensor, ""]:
    return torch.full((), t, dtype=x.dtype, device=x.device)


def _integrate(integrals: list[Tensor], values: Sequence[Tensor], weight: float) -> None:
    for index, value in enumerate(values):
        integrals[index] = integrals[index].add(value, alpha=weight)


def _combine(x: Tensor, slopes: Sequence[Tensor], weights: Sequence[float], h: float) -> Tensor:
    """``x + h sum_i w_i k_i``."""
    for slope, weight in zip(slopes, weights, strict=True):
        if weight:
            x = torch.add(x, slope, alpha=weight * h)
    return x

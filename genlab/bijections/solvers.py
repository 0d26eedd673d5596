"""Solvers of ``dx/dt = v(x, t)`` that integrate rates along the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.errors import RunError

__all__ = ["AdaptiveSolver", "Field", "FixedStepSolver", "Solver", "explained"]

Field: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""``(t, x) -> (v, rates ...)``: the velocity ``[n, *event]``, and numbers ``[n]`` to integrate."""

MAX_STEPS = 10_000

STEEP = (
    "the velocity has become too steep to follow\ntry a larger rtol and atol of the solver, steps "
    "of equal size (solver=rk4), a smaller optimizer.lr, or objective.kinetic=0.1"
)
GIVING_UP = {
    "underflow in dt": STEEP,
    "max_num_steps exceeded": STEEP,
    "non-finite values": "look for values that are not finite in the data\n"
    "if there are none, try a smaller optimizer.lr",
}


class Solver(ABC):
    """A way to follow an ODE from one time to another."""

    @abstractmethod
    def solve(
        self,
        field: Field,
        x: Float[Tensor, "n *event"],
        *,
        start: float,
        end: float,
        rates: int,
        adjoint: Sequence[Tensor] | None = None,
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

        Returns:
            ``x`` at ``end``, and the integral over time of each rate along its way.

        Raises:
            RunError: The solver cannot reach ``end``.
        """

    def part(self, share: float) -> Solver:
        """The solver for a share of the time."""
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


@dataclass(frozen=True, kw_only=True)
class FixedStepSolver(Solver):
    """Equal steps of an explicit Runge-Kutta method.

    The rates take no part in the stages: they are integrated by the method's own quadrature.
    Nothing waits for the device between two steps.

    Attributes:
        method: Of order 1, 2 or 4, with as many evaluations a step.
        steps: Number of steps.
    """

    method: Literal["euler", "midpoint", "rk4"]
    steps: PositiveInt

    def solve(
        self,
        field: Field,
        x: Float[Tensor, "n *event"],
        *,
        start: float,
        end: float,
        rates: int,
        adjoint: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        if adjoint is not None:
            result: tuple[Tensor, ...] = _torchdiffeq(
                field,
                x,
                start,
                end,
                rates,
                adjoint,
                method=self.method,
                options=lambda end: {"grid_constructor": self._grid},
            )
            return result
        tableau, h = TABLEAUS[self.method], (end - start) / self.steps
        integrals = [x.new_zeros(len(x)) for _ in range(rates)]
        for step in range(self.steps):
            slopes: list[Tensor] = []
            present = x
            stages = zip(tableau.nodes, tableau.stages, tableau.weights, strict=True)
            for node, combination, weight in stages:
                t = torch.full((), start + (step + node) * h, dtype=x.dtype, device=x.device)
                slope, *values = field(t, _combine(present, slopes, combination, h))
                slopes.append(slope)
                for index, value in enumerate(values):
                    integrals[index] = integrals[index].add(value, alpha=weight * h)
            x = _combine(present, slopes, tableau.weights, h)
        return x, *integrals

    def part(self, share: float) -> FixedStepSolver:
        return replace(self, steps=max(1, round(share * self.steps)))

    def _grid(self, field: object, x: Tensor, t: Float[Tensor, "2"]) -> Float[Tensor, " k"]:
        return torch.linspace(t[0], t[-1], self.steps + 1, dtype=t.dtype, device=t.device)


@dataclass(frozen=True, kw_only=True)
class AdaptiveSolver(Solver):
    """Steps of torchdiffeq, as long as the estimated error of each allows.

    A step is accepted where the root mean square of error / (atol + rtol |x|) over all points is at
    most 1, and that of each rate too. Tolerances below what the number type resolves are raised to
    it.

    Attributes:
        method: An embedded Runge-Kutta method of order 5, 8, 3 or 2.
        rtol: Relative tolerance of a step.
        atol: Absolute tolerance of a step.
    """

    method: Literal["dopri5", "dopri8", "bosh3", "adaptive_heun"]
    rtol: Positive
    atol: Positive

    def solve(
        self,
        field: Field,
        x: Float[Tensor, "n *event"],
        *,
        start: float,
        end: float,
        rates: int,
        adjoint: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        if not len(x):
            # The mean error of no points is no number.
            return x, *(x.new_zeros(0) for _ in range(rates))
        finest = 8 * torch.finfo(x.dtype).eps
        with explained():
            result: tuple[Tensor, ...] = _torchdiffeq(
                field,
                x,
                start,
                end,
                rates,
                adjoint,
                method=self.method,
                rtol=max(self.rtol, finest),
                atol=max(self.atol, finest),
                # A step must end at the end: what is interpolated would be less exact.
                options=lambda end: {"max_num_steps": MAX_STEPS, "step_t": end},
            )
        return result


@contextmanager
def explained() -> Iterator[None]:
    """Say what to change where torchdiffeq gives up, also in the gradient by the adjoint ODE.

    Raises:
        RunError: In place of torchdiffeq's assertion.
    """
    try:
        yield
    except AssertionError as error:
        for words, advice in GIVING_UP.items():
            if words in str(error):
                raise RunError(f"the ODE solver gave up, {words}: {advice}") from error
        raise


# Its decisions depend on values: there is nothing to compile.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def _torchdiffeq(
    field: Field,
    x: Tensor,
    start: float,
    end: float,
    rates: int,
    adjoint: Sequence[Tensor] | None,
    *,
    method: str,
    options: Callable[[Tensor], dict[str, Any]],
    **tolerances: float,
) -> tuple[Tensor, ...]:
    """Solve by torchdiffeq; ``options`` gives the method's own for the time that it ends at."""
    # Its import takes long: only who needs it waits.
    import torchdiffeq

    state = (x, *(x.new_zeros(len(x)) for _ in range(rates)))
    times = torch.tensor([start, end], dtype=x.dtype, device=x.device)
    settings = {"method": method, "options": options(times[1:]), **tolerances}

    def slope(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return field(t, state[0])

    if adjoint is None:
        path = torchdiffeq.odeint(slope, state, times, **settings)
    else:
        # It solves backward in the time that it solved forward in, which is -t where t falls.
        first = times[:1] if start < end else -times[:1]
        # The integrals that become the parameters' gradients need no control of their error
        # (Kidger, Chen, Lyons, "Hey, that's not an ODE", 2021).
        path = torchdiffeq.odeint_adjoint(
            slope,
            state,
            times,
            adjoint_params=adjoint,
            adjoint_options={**options(first), "norm": "seminorm"},
            **settings,
        )
    return tuple(part[-1] for part in path)


def _combine(x: Tensor, slopes: Sequence[Tensor], weights: Sequence[float], h: float) -> Tensor:
    """``x + h sum_i w_i k_i``."""
    for slope, weight in zip(slopes, weights, strict=True):
        if weight:
            x = torch.add(x, slope, alpha=weight * h)
    return x

"""torchdiffeq, as solvers here use it: the error of the worst row, and advice where it gives up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.errors import RunError
from genlab.nn.uncompiled import uncompiled

__all__ = ["Field", "Slopes", "VelocityAlone", "follow", "solver_advice", "worst_row"]

Field: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""``(t, x) -> (v, rates ...)``: the velocity ``[n, *event]``, and numbers ``[n]`` to integrate."""

VelocityAlone: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``(t, x) -> v``."""
Slopes: TypeAlias = Callable[[Tensor, Tensor, bool], tuple[Tensor, ...]]
"""``(t, x, weighed) -> (v, rates ...)``; where the rates get no weight, zeros do."""

# How many stages after the first one weigh nothing: in the step, its error and its midpoint.
UNWEIGHED = {"dopri5": 1, "dopri8": 4}

STEEP = (
    "the velocity has become too steep to follow\ntry a larger rtol and atol of the solver, steps "
    "of equal size (`FixedStepSolver(method='rk4')`), a smaller `lr`, or `kinetic=0.1`"
)
NOT_FINITE = "non-finite values"
ADVICE = {
    "underflow in dt": STEEP,
    "max_num_steps exceeded": STEEP,
    NOT_FINITE: "on its way the velocity has become infinite or NaN\ntry a smaller `lr`",
}


# Its decisions depend on values: there is nothing to compile.
@uncompiled
def follow(
    slopes: Slopes,
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
    """Solve by torchdiffeq.

    Args:
        slopes: The velocity and the rates.
        x: ``[n, *event]``, as in `ODESolver.solve`, like the next four.
        start: First time.
        end: Last time.
        rates: How many rates there are.
        adjoint: Parameters of the field, or None.
        method: By torchdiffeq's name.
        options: The method's own, by the time ``[1]`` that a solve ends at.
        tolerances: ``rtol`` and ``atol`` of a step, for a method that has them.

    Returns:
        ``x`` at ``end``, and the integral of each rate.
    """
    # Its import takes long: only who needs it waits.
    import torchdiffeq

    state = (x, *(x.new_zeros(len(x)) for _ in range(rates)))
    # In single precision a short time would be none; MPS has no other.
    precise = x.dtype if x.device.type == "mps" else torch.float64
    times = torch.tensor([start, end], dtype=precise, device=x.device)
    settings = {"method": method, "options": options(times[1:]), **tolerances}
    stages = _Stages(slopes, UNWEIGHED.get(method, 0))
    if adjoint is None:
        path = torchdiffeq.odeint(stages, state, times, **settings)
    else:
        # It solves backward in the time that it solved forward in, which is -t where t falls.
        first = times[:1] if start < end else -times[:1]
        # The integrals that become the parameters' gradients need no control of their error
        # (Kidger, Chen, Lyons, "Hey, that's not an ODE", 2021, arXiv:2009.09457).
        path = torchdiffeq.odeint_adjoint(
            stages,
            state,
            times,
            adjoint_params=adjoint,
            adjoint_options={**options(first), "norm": "seminorm"},
            **settings,
        )
    return tuple(part[-1] for part in path)


class _Stages:
    """The slopes of a state, for torchdiffeq, which tells when a step begins.

    Args:
        slopes: The velocity and the rates.
        unweighed: How many stages after a step's first one give the rates no weight.
    """

    def __init__(self, slopes: Slopes, unweighed: int) -> None:
        self.slopes = slopes
        self.unweighed = unweighed
        self.coming: Iterator[bool] = iter(())

    def callback_step(self, *step: object) -> None:
        self.coming = iter([False] * self.unweighed)

    def __call__(self, t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self.slopes(t, state[0], next(self.coming, True))


def worst_row(parts: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    """The largest root mean square within a row of a part, as a constant.

    A mean over the rows would let many easy ones hide the error of a hard one.

    Raises:
        RunError: A part is NaN, which no smaller step changes.
    """
    rows = [part.detach().reshape(len(part), -1).square().mean(1).amax() for part in parts]
    worst = torch.stack(rows).amax().sqrt()
    if worst.isnan():
        raise RunError(_gave_up(NOT_FINITE))
    return worst


@contextmanager
def solver_advice() -> Iterator[None]:
    """Say what to change where torchdiffeq gives up, also in the gradient by the adjoint ODE.

    Raises:
        RunError: In place of torchdiffeq's assertion.
    """
    try:
        yield
    except AssertionError as error:
        for words in ADVICE:
            if words in str(error):
                raise RunError(_gave_up(words)) from error
        raise


def _gave_up(words: str) -> str:
    return f"the ODE solver gave up, {words}: {ADVICE[words]}"

"""Steps in time of a flow of fields, and how many of them are enough."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.errors import RunError
from genlab.fields.navier_stokes import NavierStokes

__all__ = ["advance", "choose_steps", "runge_kutta", "stable_steps"]

# Where the fourth-order method is stable, for decay and for oscillation (the exact bounds are 2.785
# and 2.828).
DECAY, OSCILLATION = 2.7, 2.8
ORDER = 4
MOST_STEPS = 100_000
# The part of an error's bound that steps aim at, since a pilot batch does not hold the worst field.
AIM = 0.5


def runge_kutta(rate: Callable[[Tensor], Tensor], y: Tensor, h: Tensor) -> Tensor:
    """One step ``h`` of the classical fourth-order method (Kutta, 1901) from a state ``y``.

    >>> import torch
    >>> runge_kutta(lambda y: -y, torch.ones(1), torch.tensor(0.1))
    tensor([0.9048])
    """
    k = rate(y)
    total = y.addcmul(k, h, value=1 / 6)
    k = rate(y.addcmul(k, h, value=0.5))
    total.addcmul_(k, h, value=1 / 3)
    k = rate(y.addcmul(k, h, value=0.5))
    total.addcmul_(k, h, value=1 / 3)
    return total.addcmul_(rate(y.addcmul(k, h)), h, value=1 / 6)


def advance(
    flow: NavierStokes, w: Float[Tensor, "b n n"], time: float | Float[Tensor, " b"], *, steps: int
) -> Float[Tensor, "b n n"]:
    """Vorticity fields after some time, backwards where it is negative.

    Args:
        flow: What moves them.
        w: The fields, float64.
        time: How far, one for all or one for each.
        steps: Number of steps, of equal length for each field.
    """
    h = torch.as_tensor(time, dtype=w.dtype, device=w.device).expand(len(w)) / steps
    result = torch.empty_like(w)
    # As many at a time as stay in a processor's cache.
    for start in range(0, len(w), flow.rows_at_once):
        rows = slice(start, start + flow.rows_at_once)
        state = flow.transform(w[rows])
        for _ in range(steps):
            state = runge_kutta(flow.rate, state, h[rows, None, None])
        result[rows] = flow.restore(state)
    return result


def stable_steps(flow: NavierStokes, w: Float[Tensor, "b n n"], time: float) -> int:
    """The fewest steps over ``time`` that are stable: ``dt nu k_max^2 < 2.7`` for what decays and
    ``dt max|u| k_max < 2.8`` for what is carried along, with ``max|u|`` of the given fields."""
    decay = float(-flow.linear.min())
    speed = max(
        float(flow.speeds(flow.transform(part)).square().sum(0).max().sqrt())
        for part in w.split(flow.rows_at_once)
    )
    rate = max(decay / DECAY, speed * flow.largest_wavenumber / OSCILLATION)
    return max(1, math.ceil(abs(time) * rate))


def choose_steps(error: Callable[[int], float], *, least: int, tolerance: float) -> int:
    """The number of steps from ``least`` on whose error is below a tolerance, by fourth order.

    Args:
        error: Of a number of steps; not finite where they are unstable.
        least: The first number that is tried.
        tolerance: What the error has to be below.

    Raises:
        RunError: A hundred thousand steps are too few.

    >>> choose_steps(lambda n: n**-4.0, least=2, tolerance=2e-4)
    10
    """
    steps = least
    while (now := error(steps)) > AIM * tolerance or math.isnan(now):
        factor = (now / (AIM * tolerance)) ** (1 / ORDER) if math.isfinite(now) else 2.0
        steps = math.ceil(steps * min(max(factor, 1.05), 4.0))
        if steps > MOST_STEPS:
            raise RunError(
                f"{MOST_STEPS} steps do not follow the fields to {tolerance:g} nats: choose a "
                "smaller time or a larger tolerance"
            )
    return steps

"""The mean of a squared residual over a domain, from points of whatever density."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

__all__ = ["domain_mean"]


def domain_mean(
    values: Float[Tensor, " n"], log_q: Float[Tensor, " n"] | None, *, log_uniform: float
) -> Float[Tensor, ""]:
    """``1/n sum_i values_i / (|Omega| q(x_i))``: an estimate of ``int values dx / |Omega|``.

    It is the integral over ``|Omega|``, the mean over the domain, so that a loss has the same scale
    whichever sampler drew its points, and uniform points give the plain mean, since there
    ``|Omega| q = 1``. No gradient flows through ``q``.

    Args:
        values: What is integrated, at points ``x_i ~ q``.
        log_q: Log-density of the points; None for the plain mean, where it is unknown or all
            points are to count the same.
        log_uniform: ``-log |Omega|``.
    """
    if log_q is None:
        return values.mean()
    return (values * (log_uniform - log_q.detach()).exp().to(values)).mean()

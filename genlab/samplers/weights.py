"""Importance weights of points, and resampling: points that count by them, then all the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import effective_fraction

__all__ = [
    "RESAMPLING",
    "Resampling",
    "Weights",
    "importance_weights",
    "multinomial",
    "systematic",
    "uniform_weights",
]

Resampling = Literal["multinomial", "systematic"]

# The largest number below 1.
BELOW_ONE = 1 - 2**-53


class Weights(NamedTuple):
    """Self-normalised weights ``w_i`` of points, proportional to ``h(x_i) / q(x_i)``.

    >>> weights = importance_weights(torch.tensor([1.0, 3.0]), torch.zeros(2))
    >>> weights.values.tolist(), round(weights.mass, 2), round(weights.effective, 2)
    ([0.25, 0.75], 2.0, 0.8)

    Attributes:
        values: ``w_i``, non-negative and of sum 1, in float64.
        mass: Estimate of ``Z = int h``, the mean of ``h / q``.
    """

    values: Float[Tensor, " n"]
    mass: float

    @property
    def effective(self) -> float:
        """Kish's effective sample size, as a fraction of the points."""
        return effective_fraction(self.values.log()).item()

    @property
    def largest(self) -> float:
        """The share of the heaviest point."""
        return self.values.max().item()


def uniform_weights(
    log_q: Float[Tensor, " n"], *, log_uniform: float, power: float = 1.0
) -> Float[Tensor, " n"]:
    """``(|Omega| q)^-power``: what points ``x ~ q`` count in a mean over the domain.

    Its square root is what the residual itself counts, where its square is averaged.

    References: arXiv:2112.14038.

    >>> uniform_weights(torch.tensor([0.5, 2.0]).log(), log_uniform=0.0)
    tensor([2.0000, 0.5000])

    Args:
        log_q: Log-density of the points; no gradient flows through it.
        log_uniform: ``-log |Omega|``.
        power: 1, or a half for the square root.
    """
    return (power * (log_uniform - log_q.detach())).exp()


def importance_weights(h: Float[Tensor, " n"], log_q: Float[Tensor, " n"]) -> Weights:
    """``w_i = (h_i / q_i) / sum_j h_j / q_j``, the weights of ``x_i ~ q`` under ``h / Z``.

    Where ``h`` vanishes at all points there is nothing to prefer: they become samples of the
    uniform density, as if h were constant.

    Args:
        h: The indicator at the points, finite and non-negative.
        log_q: Log-density that the points were drawn from, at them.
    """
    log_ratio = h.double().log() - log_q.double()
    log_mass = log_ratio.logsumexp(0) - math.log(len(h))
    if not h.any():
        log_ratio = -log_q.double()
    return Weights(log_ratio.softmax(0), log_mass.exp().item())


def multinomial(
    weights: Float[Tensor, " n"], m: int, *, generator: torch.Generator
) -> Int[Tensor, " m"]:
    """``m`` indices with replacement, independent, index i with probability ``w_i / sum w``.

    Each is found by a uniform number among the cumulative weights.

    Args:
        weights: Non-negative, not all 0, in float64 on the CPU.
        m: Number of indices.
        generator: Source of randomness, on the CPU.
    """
    u = torch.rand(m, dtype=torch.float64, generator=generator)
    return _inverse(weights, u)


def systematic(
    weights: Float[Tensor, " n"], m: int, *, generator: torch.Generator
) -> Int[Tensor, " m"]:
    """``m`` indices with replacement, index i between ``floor`` and ``ceil`` of ``m w_i`` times.

    One uniform number shifts an even grid through the cumulative weights: the expected numbers are
    those of `multinomial`, their variance is the least (Kitagawa, "Monte Carlo filter and smoother
    for non-Gaussian nonlinear state space models", 1996, doi:10.1080/10618600.1996.10474692). In
    random order.

    >>> weights = torch.tensor([0.25, 0.75], dtype=torch.float64)
    >>> systematic(weights, 8, generator=torch.Generator()).bincount()
    tensor([2, 6])

    Args:
        weights: Non-negative, not all 0, in float64 on the CPU.
        m: Number of indices.
        generator: Source of randomness, on the CPU.
    """
    shift = torch.rand((), dtype=torch.float64, generator=generator)
    order = torch.randperm(m, generator=generator)
    return _inverse(weights, (order + shift) / m)


RESAMPLING: dict[str, Callable[..., Int[Tensor, " m"]]] = {
    "multinomial": multinomial,
    "systematic": systematic,
}


def _inverse(weights: Float[Tensor, " n"], u: Float[Tensor, " m"]) -> Int[Tensor, " m"]:
    """The indices at which the cumulative weights first exceed ``u``."""
    cumulative = weights.cumsum(0)
    # Divided by its last entry it ends with exactly 1, however its sum was rounded, and a `u` that
    # was rounded up to 1 lies below it: no index is too large, and none has weight 0.
    cumulative = cumulative / cumulative[-1]
    return torch.searchsorted(cumulative, u.clamp(max=BELOW_ONE), right=True)

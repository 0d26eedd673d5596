"""Resampling: from weighted points to points that all count the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["RESAMPLING", "Resampling", "multinomial", "systematic"]

Resampling = Literal["multinomial", "systematic"]

# The largest number below 1.
BELOW_ONE = 1 - 2**-53


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
    for non-Gaussian nonlinear state space models", 1996). In random order.

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

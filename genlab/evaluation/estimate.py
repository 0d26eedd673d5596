"""A number with its standard error: what every stochastic metric returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

__all__ = ["Estimate", "estimate_mean"]


@dataclass(frozen=True)
class Estimate:
    """An estimated number, in the unit of what it estimates.

    Attributes:
        value: The estimate.
        se: Its standard error; NaN where one effective sample leaves it unknown.

    >>> import torch
    >>> estimate_mean(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    Estimate(value=3.0, se=0.7071067811865476)
    """

    value: float
    se: float


def estimate_mean(
    values: Float[Tensor, " n"], weight: Float[Tensor, " n"] | None = None
) -> Estimate:
    """Weighted mean ``m = sum w v / sum w`` with its standard error, accumulated in float64.

    With Kish's effective sample size ``n_eff = (sum w)^2 / sum w^2`` (Kish, "Survey sampling",
    1965), ``se^2 = sum w (v - m)^2 / sum w / (n_eff - 1)``: without weights this is the usual
    ``s^2 / n``. Weights are taken as independent of the values. Samples of weight 0 do not count,
    whatever their value; an infinite mean has an infinite error.

    Args:
        values: One value for each sample, ``[n]``.
        weight: Non-negative weights ``[n]``, or None where all count the same.

    Raises:
        ValueError: No sample has a positive weight.
    """
    values = values.detach().cpu().double()
    w = values.new_ones(len(values)) if weight is None else weight.detach().cpu().double()
    values, w = values[w != 0], w[w != 0]
    total = w.sum()
    if not total > 0:
        raise ValueError("weight: expected at least one sample of positive weight, got none")
    mean = (w * values).sum() / total
    value = mean.item()
    if math.isinf(value):
        return Estimate(value, math.inf)
    variance = (w * (values - mean).square()).sum() / total
    freedom = (total.square() / w.square().sum()).item() - 1
    return Estimate(value, math.sqrt(variance.item() / freedom) if freedom > 1e-9 else math.nan)

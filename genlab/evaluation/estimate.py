"""A number with its standard error: what every stochastic metric returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "Estimate",
    "effective_rows",
    "estimate_mean",
    "estimate_of_means",
    "estimate_of_pairs",
    "shares",
]


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
    values: Float[Tensor, " n"],
    weight: Float[Tensor, " n"] | None = None,
    groups: Int[Tensor, " n"] | None = None,
) -> Estimate:
    """Weighted mean ``m = sum w v / sum w`` with its standard error, accumulated in float64.

    With Kish's effective sample size ``n_eff = (sum w)^2 / sum w^2`` (Kish, "Survey sampling",
    1965), ``se^2 = sum w (v - m)^2 / sum w / (n_eff - 1)``: without weights this is the usual
    ``s^2 / n``. Weights are taken as independent of the values. Samples of weight 0 do not count,
    whatever their value; an infinite mean has an infinite error. Where some weights are negative,
    ``se^2 = sum w^2 (v - m)^2 / (sum w)^2``.

    Where samples of one group depend on each other, G groups are what is independent, and
    ``se^2 = G / (G - 1) sum_g (sum_{i in g} w_i (v_i - m))^2 / (sum w)^2`` (Liang, Zeger,
    "Longitudinal data analysis using generalized linear models", 1986, doi:10.1093/biomet/73.1.13).

    Args:
        values: One value for each sample, ``[n]``.
        weight: Weights ``[n]``, of a positive sum, or None where all count the same.
        groups: The number of the group of each, or None where all samples are independent.

    Raises:
        ValueError: No sample has a positive weight, or their sum is not.
    """
    values = values.detach().cpu().double()
    w = values.new_ones(len(values)) if weight is None else weight.detach().cpu().double()
    counting = w != 0
    values, w = values[counting], w[counting]
    total = w.sum()
    if not total > 0:
        raise ValueError("weight: expected at least one sample of positive weight, got none")
    mean = (w * values).sum() / total
    value = mean.item()
    if math.isinf(value):
        return Estimate(value, math.inf)
    if groups is not None:
        _, group = groups.cpu()[counting].unique(return_inverse=True)
        count = int(group.max()) + 1
        off = w.new_zeros(count).index_add(0, group, w * (values - mean))
        correction = count / (count - 1) if count > 1 else math.nan
        return Estimate(value, math.sqrt(correction * off.square().sum().item()) / total.item())
    if (w < 0).any():
        spread = (w * (values - mean)).square().sum().sqrt() / total
        return Estimate(value, spread.item())
    variance = (w * (values - mean).square()).sum() / total
    freedom = (total.square() / w.square().sum()).item() - 1
    return Estimate(value, math.sqrt(variance.item() / freedom) if freedom > 1e-9 else math.nan)


def estimate_of_means(
    function: Callable[..., Float[Tensor, ""]], *sets: Float[Tensor, "_ *shape"]
) -> Estimate:
    """A function of the means of independent sets, ``f(m_1, m_2, ...)``, by the delta method.

    ``se^2 = sum_j Var(grad_j f . x) / n_j`` over the ``n_j`` rows x of set j (Serfling,
    "Approximation theorems of mathematical statistics", 1980, chapter 3,
    doi:10.1002/9780470316481). Numbers of one row may depend on each other. Where a set is a single
    row the error is NaN.

    Args:
        function: Of as many means as there are sets; differentiable, to a single number.
        sets: Rows of numbers, the means of which it takes, in float64.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [2.0, 6.0]], dtype=torch.float64)
    >>> round(estimate_of_means(lambda mean: mean[1] / mean[0], x).value, 12)
    2.0
    """
    means = tuple(rows.mean(0) for rows in sets)
    gradients = torch.func.grad(function, tuple(range(len(sets))))(*means)
    square = 0.0
    for rows, mean, gradient in zip(sets, means, gradients, strict=True):
        along = ((rows - mean) * gradient).reshape(len(rows), -1).sum(1)
        n = len(rows)
        square += along.square().sum().item() / (n * (n - 1)) if n > 1 else math.nan
    return Estimate(function(*means).item(), math.sqrt(square))


def estimate_of_pairs(
    p: Float[Tensor, " n"],
    first: Float[Tensor, " n"],
    second: Float[Tensor, " n"],
    squares: Float[Tensor, " n"],
) -> Estimate:
    """A mean over pairs of different rows, ``sum_{i != j} p_i p_j H_ij / sum_{i != j} p_i p_j``.

    A row that counts twice is no pair with itself. The standard error is that of a U-statistic of
    degree 2, ``se^2 = (4 (m - 2) zeta_1 + 2 zeta_2) / m(m - 1)``, of Kish's effective number of
    rows ``m = 1 / sum p^2``, from plug-in estimates of ``zeta_1 = Var E[H | i]`` and
    ``zeta_2 = Var H`` in which rows count by ``p^2``, as in the error of a weighted mean (Serfling,
    "Approximation theorems of mathematical statistics", 1980, section 5.2.1,
    doi:10.1002/9780470316481). As ``zeta_1`` is kept from falling below 0, the error is too large
    where H has the mean 0 for each row. Of at most four effective rows it is unknown.

    Args:
        p: The share of the weight that each row has (`shares`).
        first: ``sum_j p_j H_ij`` over ``j != i`` of each row.
        second: ``sum_j p_j^2 H_ij`` alike.
        squares: ``sum_j p_j^2 H_ij^2`` alike.

    >>> import torch
    >>> h = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]], dtype=torch.float64)
    >>> p = shares(3, None)
    >>> round(estimate_of_pairs(p, h @ p, h @ p**2, h**2 @ p**2).value, 12)
    2.0
    """
    value = ((p @ first) / (1 - p @ p)).item()
    q, m = p.square(), effective_rows(p)
    if m <= 4:
        return Estimate(value, math.nan)
    others = q.sum() - q
    deviations = squares - 2 * value * second + value**2 * others
    zeta_2 = ((q @ deviations) / (q @ others)).item()
    # The mean of the rows' variance is (m - 2) (zeta_2 + (m - 4) zeta_1) / (m - 1)^2.
    of_rows = (q @ ((first / (1 - p) - value) / (1 - p)).square()).item() * (m - 1)
    zeta_1 = max((of_rows * (m - 1) ** 2 / (m - 2) - zeta_2) / (m - 4), 0.0)
    se = math.sqrt((4 * (m - 2) * zeta_1 + 2 * zeta_2) / (m * (m - 1)))
    return Estimate(value, se)


def shares(n: int, weight: Float[Tensor, " n"] | None) -> Float[Tensor, " n"]:
    """The share of the weight that each of n rows has, in float64 on the CPU.

    >>> import torch
    >>> shares(2, torch.tensor([1.0, 3.0]))
    tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    if weight is None:
        return torch.full((n,), 1 / n, dtype=torch.float64)
    weight = weight.detach().cpu().double()
    return weight / weight.sum()


def effective_rows(p: Float[Tensor, " n"]) -> float:
    """Kish's effective number of rows, ``1 / sum p^2`` of their shares of the weight.

    >>> effective_rows(shares(4, None))
    4.0
    """
    return 1 / (p @ p).item()

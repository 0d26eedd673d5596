"""The tail of importance weights: a generalised Pareto law fitted to the largest of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["ParetoTail", "fit_tail"]

FEWEST = 5
"""Excesses that a shape can be told from."""

PRIOR_SHAPE, PRIOR_EXCESSES = 0.5, 10
"""What a shape is drawn to, and by how many excesses' worth, as in Vehtari et al."""


class ParetoTail(NamedTuple):
    """The weights above a threshold u: ``u + y``, with ``P(y > t) = (1 + k t / s)^(-1/k)``.

    The candidates are the nodes of Zhang and Stephens' quadrature over the profile likelihood: a
    posterior of shape and scale, of which `shape` is the mean's.

    >>> tail = fit_tail(torch.arange(1, 1001) ** -0.4)  # quantiles of P(w > t) ~ t^-2.5
    >>> round(tail.shape, 1)
    0.4

    Attributes:
        threshold: u, the largest weight outside the tail.
        share: Share of the weights that are in it.
        shape: k: moments of order below ``1 / k`` exist. 0 where the largest weights are equal, so
            that there is no tail; infinite where fewer than five stand apart from weights that are
            equal, NaN where there are too few weights to tell.
        shapes: Candidates of k.
        scales: Candidates of s that go with them, in units of the weights.
        posterior: Their probabilities.
    """

    threshold: float
    share: float
    shape: float
    shapes: Float[Tensor, " m"]
    scales: Float[Tensor, " m"]
    posterior: Float[Tensor, " m"]

    def second_moments(self) -> Float[Tensor, " m"]:
        """``E[(u + y)^2]`` for each candidate: infinite from k = 1/2 on."""
        u, k, s = self.threshold, self.shapes, self.scales
        moments = u**2 + 2 * u * s / (1 - k) + 2 * s.square() / ((1 - k) * (1 - 2 * k))
        return torch.where(k < 0.5, moments, torch.inf)


def fit_tail(weights: Float[Tensor, " n"]) -> ParetoTail:
    """Fit the ``3 sqrt(n)`` largest weights, of few a fifth of them.

    The diagnostic of Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao, Gabry,
    "Pareto smoothed importance sampling", 2015, arXiv:1507.02646): means of weighted samples can
    be relied on where k is below 0.7. The fit is that of Zhang, Stephens, "A new and efficient
    estimation method for the generalized Pareto distribution", 2009, doi:10.1198/tech.2009.08017.

    Args:
        weights: Non-negative weights, up to a common factor.
    """
    w = weights.detach().cpu().double()
    n = len(w)
    count = int(3 * math.sqrt(n)) if n > 225 else n // 5
    none = w.new_empty(0)
    if count < FEWEST or not w.isfinite().all():
        return ParetoTail(math.nan, 0.0, math.nan, none, none, none)
    largest = w.topk(count + 1).values
    u = largest[-1].item()
    y = (largest[largest > u] - u).flip(0)
    if len(y) < FEWEST:
        return ParetoTail(u, 0.0, math.inf if len(y) else 0.0, none, none, none)
    return ParetoTail(u, len(y) / n, *_fit(y))


def _fit(
    y: Float[Tensor, " m"],
) -> tuple[float, Float[Tensor, " c"], Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Shape, candidates of shape and scale, and their probabilities, of ascending excesses."""
    m = len(y)
    nodes = 30 + int(math.sqrt(m))
    at = torch.arange(1, nodes + 1, dtype=y.dtype) - 0.5
    # With b = -k / s the likelihood of an excess is that of k = mean log(1 - b y) alone.
    b = 1 / y[-1] + (1 - (nodes / at).sqrt()) / (3 * y[int(m / 4 + 0.5) - 1])
    shapes = torch.log1p(-b[:, None] * y).mean(1)
    posterior = (m * ((-b / shapes).log() - shapes - 1)).softmax(0)
    mean = (b * posterior).sum()
    shape = torch.log1p(-mean * y).mean().item()
    drawn = (m * shape + PRIOR_EXCESSES * PRIOR_SHAPE) / (m + PRIOR_EXCESSES)
    return drawn, shapes, -shapes / b, posterior

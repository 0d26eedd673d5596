"""Quadrature in the plane, and the log-density of round Gaussians that it sums."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Interval",
    "Rectangle",
    "centred_square",
    "gauss_legendre",
    "grid",
    "integrate_exp",
    "log_round_mixture",
    "plane_entropy",
]


Interval = tuple[float, float]
Rectangle = tuple[Interval, Interval]

# Larger panels gain nothing, and their nodes cost the cube of their number.
PANEL = 64


def centred_square(half: float) -> Rectangle:
    """``[-half, half]^2``."""
    return ((-half, half), (-half, half))


def gauss_legendre(
    low: float, high: float, nodes: int
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Composite Gauss-Legendre rule on ``[low, high]``: nodes and weights, float64.

    Args:
        low: Lower end.
        high: Upper end.
        nodes: Number of nodes at least; rounded up to whole panels of at most 64.
    """
    panels = math.ceil(nodes / PANEL)
    points, weights = np.polynomial.legendre.leggauss(math.ceil(nodes / panels))
    half = (high - low) / (2 * panels)
    centres = low + half * (2 * np.arange(panels) + 1)
    return (
        torch.from_numpy((centres[:, None] + half * points).reshape(-1)),
        torch.from_numpy(np.tile(half * weights, panels)),
    )


def grid(box: Rectangle, spacing: float) -> tuple[Float[Tensor, "k 2"], Float[Tensor, " k"]]:
    """Product of Gauss-Legendre rules on a rectangle: nodes and weights, float64.

    Args:
        box: Intervals of the two coordinates.
        spacing: Mean distance of neighbouring nodes along each coordinate, at most.
    """
    (x, wx), (y, wy) = (
        gauss_legendre(low, high, math.ceil((high - low) / spacing)) for low, high in box
    )
    return torch.cartesian_prod(x, y), torch.outer(wx, wy).reshape(-1)


def integrate_exp(
    log_density: Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]],
    box: Rectangle,
    spacing: float,
) -> float:
    """Integral over a rectangle of the exponential of ``log_density``."""
    points, weights = grid(box, spacing)
    return float(weights @ log_density(points).exp())


def plane_entropy(
    log_prob: Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]], box: Rectangle, spacing: float
) -> float:
    """Differential entropy ``-int p log p`` in nats over a rectangle that holds all the mass."""
    points, weights = grid(box, spacing)
    return float(weights @ torch.special.entr(log_prob(points).exp()))


def log_round_mixture(
    x: Float[Tensor, "n d"],
    centres: Float[Tensor, "k d"],
    log_weights: Float[Tensor, " k"],
    std: float,
) -> Float[Tensor, " n"]:
    """``log sum_k w_k N(x; c_k, std^2 I)``, in the type of ``x``.

    The differences are taken coordinate by coordinate: expanding the square would lose the digits
    that a small ``std`` needs.
    """
    centres, log_weights = centres.to(x), log_weights.to(x)
    distance = sum((x[:, i, None] - centres[:, i]).square() for i in range(x.shape[1]))
    log_terms = log_weights - distance / (2 * std**2)
    return torch.logsumexp(log_terms, 1) - x.shape[1] * math.log(math.sqrt(2 * math.pi) * std)

"""The log-density of a mixture of round Gaussians."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["log_round_mixture"]


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

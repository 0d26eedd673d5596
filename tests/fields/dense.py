"""Stationary fields as plain vectors, by sums of cosines: no FFT."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from genlab.fields import block_means
from genlab.targets import GaussianField

__all__ = ["blocks", "covariance", "posterior", "sample_given", "toeplitz"]


def covariance(variances: Tensor) -> Tensor:
    """``C(r) = 1/n^2 sum_k lambda_k cos(2 pi k r / n)`` at each displacement ``r``, ``[n, n]``."""
    n = len(variances)
    turns = 2 * math.pi / n * torch.outer(torch.arange(n), torch.arange(n)).double()
    phase = turns[:, None, :, None] + turns[None, :, None, :]  # r, then k
    return (phase.cos() * variances).sum((2, 3)) / n**2


def toeplitz(variances: Tensor) -> Tensor:
    """The covariance of each pair of points, ``[n^2, n^2]``, both numbered row by row."""
    n = len(variances)
    place = torch.arange(n)
    apart = (place[:, None] - place) % n
    return covariance(variances)[apart[:, None, :, None], apart[None, :, None, :]].reshape(
        n * n, -1
    )


def blocks(n: int, factor: int) -> Tensor:
    """The matrix of `block_means`, ``[m^2, n^2]``."""
    basis = torch.eye(n * n, dtype=torch.float64).view(-1, n, n)
    return block_means(basis, factor).flatten(1).T


def seen(target: GaussianField, which: int) -> Tensor:
    """The covariance of what is seen of a field of one spectrum, ``[m^2, m^2]``."""
    a = blocks(target.event_shape[1], target.factor)
    noise = target.noise * torch.eye(len(a), dtype=torch.float64)
    return a @ toeplitz(target.variances[which]) @ a.T + noise


def posterior(target: GaussianField, y: Tensor, which: int = 0) -> tuple[Tensor, Tensor]:
    """The mean of ``p(g | y)`` for each y, and the factor of its covariance."""
    c, a = toeplitz(target.variances[which]), blocks(target.event_shape[1], target.factor)
    gain = c @ a.T @ torch.linalg.inv(seen(target, which))
    mean = target.mean + (y - target.mean) @ gain.T
    return mean, torch.linalg.cholesky(c - gain @ a @ c)


def sample_given(
    target: GaussianField, context: Tensor, generator: torch.Generator | None
) -> Tensor:
    """A field of ``p(w | y)`` for each y, flattened."""
    y, parts = context.double(), range(len(target.weights))
    laws = [
        MultivariateNormal(y.new_full(y.shape[1:], target.mean), seen(target, j)) for j in parts
    ]
    log_q = torch.stack([law.log_prob(y) for law in laws], 1) + target.weights.log()
    which = torch.multinomial(log_q.softmax(1), 1, generator=generator)[:, 0]
    g = torch.randn(len(y), target.event_shape[1] ** 2, dtype=y.dtype, generator=generator)
    for j in parts:
        mean, scale = posterior(target, y[which == j], j)
        g[which == j] = mean + g[which == j] @ scale.T
    return (g.exp() if target.log_normal else g).view(-1, *target.event_shape).float()

"""Stationary fields as plain vectors, by sums of cosines: no FFT."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genlab.fields import block_means

__all__ = ["blocks", "covariance", "toeplitz"]


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
    return covariance(variances)[apart[:, None, :, None], apart[None, :, None, :]].reshape(n * n, -1)


def blocks(n: int, factor: int) -> Tensor:
    """The matrix of `block_means`, ``[m^2, n^2]``."""
    basis = torch.eye(n * n, dtype=torch.float64).view(-1, n, n)
    return block_means(basis, factor).flatten(1).T

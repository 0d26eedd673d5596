"""Fields seen coarsely: the means of square blocks."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["block_means", "block_shares", "block_spectrum"]


def block_means(w: Float[Tensor, "*n h h"], factor: int) -> Float[Tensor, "*n m m"]:
    """``A w``: the means of blocks of ``factor x factor`` points.

    >>> block_means(torch.arange(4.0).view(2, 2), 2)
    tensor([[1.5000]])

    Args:
        w: Fields.
        factor: Points along a block's side, which divide those along the square's.
    """
    means: Tensor = w.unflatten(-1, (-1, factor)).unflatten(-3, (-1, factor)).mean((-3, -1))
    return means


def block_shares(y: Float[Tensor, "*n m m"], factor: int) -> Float[Tensor, "*n h h"]:
    """``A' y``, the transpose of `block_means`: each number in equal shares over its block.

    >>> block_shares(torch.tensor([[8.0]]), 2)
    tensor([[2., 2.],
            [2., 2.]])

    Args:
        y: A number for each block.
        factor: Points along a block's side.
    """
    shares: Tensor = y.repeat_interleave(factor, -2).repeat_interleave(factor, -1) / factor**2
    return shares


def block_spectrum(variances: Float[Tensor, "*j h h"], factor: int) -> Float[Tensor, "*j m m"]:
    """The variances of the modes of `block_means`, which are a stationary field themselves.

    A coarse mode q sums the fine ones that look like it on the coarse grid, ``k = q mod m``:
    ``kappa_q = 1/f^2 sum_k |b_k|^2 lambda_k``, with ``b_k`` the mean of ``exp(i k x)`` over the
    block at 0.

    >>> block_spectrum(torch.ones(4, 4, dtype=torch.float64), 2)  # means of four white numbers
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]], dtype=torch.float64)

    Args:
        variances: ``lambda_k`` of the fields.
        factor: Points along a block's side.
    """
    n = variances.shape[-1]
    turns = torch.outer(torch.arange(n), torch.arange(factor)).to(variances)
    angle = 2 * math.pi / n * turns
    squared = angle.cos().mean(1).square() + angle.sin().mean(1).square()
    seen = torch.outer(squared, squared) * variances
    alike: Tensor = seen.unflatten(-1, (factor, -1)).unflatten(-3, (factor, -1))
    return alike.sum((-4, -2)) / factor**2

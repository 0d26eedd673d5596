"""A smooth bound on a number, so that what is built from it stays in range."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["soft_clamp"]


def soft_clamp(x: Float[Tensor, "*shape"], bound: float) -> Float[Tensor, "*shape"]:
    """``b tanh(x / b)``: the identity near 0, within ``[-b, b]`` everywhere."""
    return torch.tanh(x / bound) * bound

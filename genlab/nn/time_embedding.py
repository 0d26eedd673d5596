"""Time as features that a network can tell apart."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TimeEmbedding"]


class TimeEmbedding(nn.Module):
    """``t -> (cos(pi k t), sin(pi k t))``, ``k = 1, ..., frequencies``, for t in [0, 1].

    Args:
        frequencies: Number of frequencies.

    Attributes:
        dim: Number of features, ``2 frequencies``.
    """

    frequencies: Float[Tensor, " k"]

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        multiples = math.pi * torch.arange(1, frequencies + 1)
        self.register_buffer("frequencies", multiples, persistent=False)
        self.dim = 2 * frequencies

    def forward(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n e"]:
        """Features of one time or of many; a single time gives a vector."""
        angle = t[..., None] * self.frequencies
        return torch.cat((angle.cos(), angle.sin()), dim=-1)

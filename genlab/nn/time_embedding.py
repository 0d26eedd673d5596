"""Time as features that a network can tell apart."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.nn.constants import Constants

__all__ = ["TimeEmbedding"]


class TimeEmbedding(Constants):
    """``t -> (cos(pi k t), sin(pi k t))``, ``k = 1, ..., frequencies``, for t in [0, 1].

    Args:
        frequencies: Number of frequencies.

    Attributes:
        dim: Number of features, ``2 frequencies``.
    """

    frequencies: Float[Tensor, " k"]

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.dim = 2 * frequencies
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"frequencies": math.pi * torch.arange(1, self.dim // 2 + 1)}

    def forward(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n e"]:
        """Features of one time or of many; a single time gives a vector."""
        angle = t[..., None] * self.frequencies
        return torch.cat((angle.cos(), angle.sin()), dim=-1)

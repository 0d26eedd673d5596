"""A learned scale for each coordinate."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection

__all__ = ["Scaling"]


class Scaling(Bijection):
    """``z = x exp(s)``, ``log|det| = sum s``: NICE's last layer (Dinh et al., 2015, section 3.3).

    Args:
        dim: Number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return z * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))
